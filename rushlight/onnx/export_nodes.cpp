// Nodes, constants and descriptions of values in ONNX's format.
#include <bit>
#include <cstring>

#include "rushlight/graph/executor/lists.h"
#include "rushlight/kernels/copying.h"
#include "rushlight/onnx/export_run.h"
#include "rushlight/onnx/tensors.h"

namespace rushlight::onnx {

using io::wire::Writer;

void write_tensor(Writer& w, const Name& name, const Tensor& tensor) {
  int elem = elem_of_dtype(tensor.dtype());
  RL_CHECK(NotImplementedError, elem, "onnx.export: ONNX has no tensors of ", tensor.dtype());
  Tensor t = dense(tensor);
  for (int64_t d : t.sizes()) w.varint(1, uint64_t(d));
  w.varint(2, uint64_t(elem));
  if (!name.empty()) w.bytes(8, name);
  w.bytes(9, {static_cast<const char*>(t.raw()), size_t(t.nbytes())});
}

void write_info(Writer& w, const Name& name, const IValue& v, const std::map<int64_t, std::string>* dynamic,
                bool any_size) {
  w.bytes(1, name);
  auto tensor_type = [&](Writer& type, int elem, const Tensor* t) {
    type.message(1, [&](Writer& tt) {
      tt.varint(1, uint64_t(elem));
      if (!t) return;
      tt.message(2, [&](Writer& shape) {
        for (int64_t i = 0; i < t->dim(); i++)
          shape.message(1, [&](Writer& d) {
            auto found = dynamic ? dynamic->find(i) : std::map<int64_t, std::string>::const_iterator();
            if (dynamic && found == dynamic->end()) found = dynamic->find(i - t->dim());
            if (dynamic && found != dynamic->end())
              d.bytes(2, found->second.empty() ? str(name, "_dim_", i) : found->second);
            else if (!any_size) d.varint(1, uint64_t(t->size(i)));
            else d.bytes(2, str(name, "_dim_", i));
          });
      });
    });
  };
  w.message(2, [&](Writer& type) {
    if (v.is_tensor_list())
      type.message(4, [&](Writer& sequence) {
        int elem = v.tensor_list().empty() ? elem_of_dtype(DType::Float32) : elem_of_dtype(v.tensor_list()[0].dtype());
        sequence.message(1, [&](Writer& item) { tensor_type(item, elem, nullptr); });
      });
    else if (v.is_tensor()) tensor_type(type, elem_of_dtype(v.tensor().dtype()), &v.tensor());
    else {
      Tensor scalar = empty_tensor({}, v.is_double() ? DType::Float32 : v.is_bool() ? DType::Bool : DType::Int64);
      tensor_type(type, elem_of_dtype(scalar.dtype()), &scalar);
    }
  });
}

namespace {

Tensor scalar_tensor(const IValue& v, const DType* as) {
  DType d = as ? *as : v.is_double() ? DType::Float32 : v.is_bool() ? DType::Bool : DType::Int64;
  double n = v.is_double() ? v.to_double() : v.is_bool() ? double(v.to_bool()) : double(v.to_int());
  Tensor wide = empty_tensor({}, v.is_int() ? DType::Int64 : DType::Float64), out = empty_tensor({}, d);
  if (v.is_int()) *wide.data<int64_t>() = v.to_int();
  else *wide.data<double>() = n;
  copy_elements(out, wide);
  return out;
}

}  // namespace

const IValue& Call::need(size_t k) const {
  RL_CHECK(NotImplementedError, k < in.size() && in[k]->constant, "onnx.export: ", node->kind(), "'s argument ", k,
           " depends on the inputs, and ONNX has it as an attribute");
  return in[k]->value;
}

bool Call::is_fixed(const Known& k, int64_t axis) const {
  if (k.constant || e.options.dynamic_axes.empty()) return true;
  return k.other.is_tensor() && k.other.tensor().dim() == k.value.tensor().dim() &&
         k.other.tensor().size(axis) == k.value.tensor().size(axis);
}
int64_t Call::fixed(const Known& k, int64_t axis) const {
  RL_CHECK(NotImplementedError, is_fixed(k, axis), "onnx.export: ", node->kind(), ": dimension ", axis,
           " is dynamic, and would be the example's");
  return k.value.tensor().size(axis);
}

Names_ Exporter::ops(const char* type, const Names_& inputs, size_t outputs, const AttributeList& attributes,
                     const char* domain, const Name& called) {
  Writer w;
  for (const Name& i : inputs) w.bytes(1, i);
  Names_ out;
  for (size_t i = 0; i < outputs; i++) {
    out.push_back(str(type, "_", count++));
    if (i == 0 && !called.empty()) out[0] = called;
    w.bytes(2, out.back());
  }
  w.bytes(3, str(type, "_node_", count));
  w.bytes(4, type);
  for (const AttributeValue& a : attributes)
    w.message(5, [&](Writer& m) {
      m.bytes(1, a.name);
      switch (a.kind) {
        case AttributeValue::I: m.varint(3, uint64_t(a.i)), m.varint(20, 2); break;
        case AttributeValue::F: m.fixed32(2, std::bit_cast<uint32_t>(float(a.f))), m.varint(20, 1); break;
        case AttributeValue::S: m.bytes(4, a.s), m.varint(20, 3); break;
        case AttributeValue::Is:
          for (int64_t v : a.is) m.varint(8, uint64_t(v));
          m.varint(20, 7);
          break;
        case AttributeValue::Fs:
          for (double v : a.fs) m.fixed32(7, std::bit_cast<uint32_t>(float(v)));
          m.varint(20, 6);
          break;
        case AttributeValue::T: m.message(5, [&](Writer& t) { write_tensor(t, "", a.t); }), m.varint(20, 4); break;
        case AttributeValue::Ss:
          for (const std::string& v : a.ss) m.bytes(9, v);
          m.varint(20, 8);
          break;
        case AttributeValue::G: m.bytes(6, a.s), m.varint(20, 5); break;
      }
    });
  if (*domain) {
    w.bytes(7, domain);
    auto told = options.domains.find(domain);
    domains[domain] = told == options.domains.end() ? 1 : told->second;
  }
  nodes.push_back(std::move(w.out));
  return out;
}

Name Exporter::constant(const Tensor& t) {
  AttributeValue a{"value", AttributeValue::T};
  a.t = t;
  return op("Constant", {}, {a});
}
Name Exporter::scalar(const Scalar& v, DType d) { return constant(scalar_tensor(IValue(v), &d)); }
Name Exporter::ints(const std::vector<int64_t>& v) {
  Tensor t = empty_tensor({int64_t(v.size())}, DType::Int64);
  std::copy(v.begin(), v.end(), t.data<int64_t>());
  return constant(t);
}
Name Exporter::number(double v, DType d, bool scalar) {
  Tensor t = scalar_tensor(IValue(v), &d);
  if (!scalar) {
    Tensor one = empty_tensor({1}, d);
    std::memcpy(one.raw(), t.raw(), size_t(t.nbytes()));
    t = one;
  }
  return constant(t);
}
Name Exporter::cast(const Name& x, DType to) {
  int elem = elem_of_dtype(to);
  RL_CHECK(NotImplementedError, elem && !is_complex(to), "onnx.export: ONNX converts nothing to ", to);
  return op("Cast", {x}, {at("to", elem)});
}
Name Exporter::unsqueeze(const Name& x, const std::vector<int64_t>& axes) {
  return opset >= 13 ? op("Unsqueeze", {x, ints(axes)}) : op("Unsqueeze", {x}, {at("axes", axes)});
}
Name Exporter::squeeze(const Name& x, const std::vector<int64_t>& axes) {
  return opset >= 13 ? op("Squeeze", {x, ints(axes)}) : op("Squeeze", {x}, {at("axes", axes)});
}
Name Exporter::reduce(const char* type, const Name& x, const std::vector<int64_t>& axes, bool keep) {
  bool as_input = opset >= (std::string_view(type) == "ReduceSum" ? 13 : 18);
  if (axes.empty()) return op(type, {x}, {at("keepdims", keep)});
  return as_input ? op(type, {x, ints(axes)}, {at("keepdims", keep)})
                  : op(type, {x}, {at("axes", axes), at("keepdims", keep)});
}
Name Exporter::extreme(const Name& a, const Name& b, DType d, bool larger) {
  if (d == DType::Bool) return op(larger ? "Or" : "And", {a, b});
  if (is_floating(d) || opset >= 12) return op(larger ? "Max" : "Min", {a, b});
  // Whole numbers they take from opset 12 on; Less and Where from 9 on.
  return op("Where", {op("Less", larger ? Names_{a, b} : Names_{b, a}), b, a});
}
Name Exporter::slice(const Name& x, int64_t axis, const Name& begin, const Name& end, int64_t step) {
  return op("Slice", {x, begin, end, ints({axis}), ints({step})});
}

Name Exporter::name_of(Known& k, const DType* as) {
  if (k.value.is_tensor()) {
    const Tensor& t = k.value.tensor();
    RL_CHECK(NotImplementedError, !is_complex(t.dtype()), "onnx.export: ONNX has no complex tensors here");
    if (k.constant && k.name.empty()) {
      Name& held = known_tensors[t.impl()];
      if (held.empty()) {  // where every graph sees it: a branch's own nodes are seen by none but the branch
        std::swap(nodes, top);
        held = constant(t);
        std::swap(nodes, top);
      }
      k.name = held;
      kept.push_back(t);
    }
    return as && t.dtype() != *as ? cast(k.name, *as) : k.name;
  }
  if (k.value.is_none()) return "";
  if (k.sequence) return k.name;
  RL_CHECK(NotImplementedError, k.value.is_scalar() && !k.value.is_complex(), "onnx.export: a ", k.value.kind_name(),
           " where a tensor is expected");
  if (k.constant) return constant(scalar_tensor(k.value, as));
  DType d = k.value.is_double() ? DType::Float32 : k.value.is_bool() ? DType::Bool : DType::Int64;
  return as && *as != d ? cast(k.name, *as) : k.name;
}

Name Exporter::joined(Known& list) {
  if (list.constant || !list.items) {
    if (list.value.is_int()) {
      DType d = DType::Int64;
      return list.constant ? ints({list.value.to_int()}) : unsqueeze(name_of(list, &d), {0});
    }
    return ints(list.value.int_list().vec());
  }
  Names_ parts;
  DType d = DType::Int64;
  for (Known& k : *list.items) parts.push_back(k.constant ? ints({k.value.to_int()}) : unsqueeze(name_of(k, &d), {0}));
  return parts.size() == 1 ? parts[0] : op("Concat", parts, {at("axis", 0)});
}

}  // namespace rushlight::onnx
