// Complex numbers: parts, conjugation, polar form.
#include "rushlight/fn/complex.h"

#include "rushlight/dispatch/kernel.h"
#include "rushlight/dispatch/pointwise.h"
#include "rushlight/fn/conj.h"
#include "rushlight/fn/conj_physical.h"
#include "rushlight/fn/contiguous.h"
#include "rushlight/fn/imag.h"
#include "rushlight/fn/real.h"
#include "rushlight/fn/select.h"
#include "rushlight/fn/view_as_complex.h"
#include "rushlight/fn/view_as_real.h"
#include "rushlight/fn/where.h"
#include "rushlight/fn/zeros_like.h"
#include "rushlight/ops/operators.h"

namespace rushlight {
namespace {

template <class T>
struct Conj {
  RL_FN T operator()(T x) const {
    if constexpr (math::is_complex_type<T>) return math::conj(x);
    else return x;
  }
};
template <class T>
struct Angle {
  RL_FN auto operator()(T x) const {
    if constexpr (math::is_complex_type<T>) return math::arg(x);
    else return math::select(x < T(0), T(3.14159265358979323846), math::select(x == x, T(0), x));
  }
};

Tensor conj_op(const Tensor& self) { return is_complex(self.dtype()) ? conj_physical(self) : self; }
Tensor same(const Tensor& self) { return self; }
Tensor real_op(const Tensor& self) { return is_complex(self.dtype()) ? select(view_as_real(self), -1, 0) : self; }
Tensor imag_op(const Tensor& self) {
  RL_CHECK(RuntimeError, is_complex(self.dtype()), "imag is not implemented for tensors with non-complex dtypes.");
  return select(view_as_real(self), -1, 1);
}

Tensor view_as_real_op(const Tensor& self) {
  RL_CHECK(RuntimeError, is_complex(self.dtype()), "view_as_real is only supported for complex tensors");
  Dims sizes = self.sizes(), strides = self.strides();
  for (int64_t& s : strides) s *= 2;
  sizes.push_back(2);
  strides.push_back(1);
  return Tensor(
      make_ref<TensorImpl>(self.impl()->storage(), to_real(self.dtype()), sizes, strides, self.storage_offset() * 2));
}
Tensor view_as_complex_op(const Tensor& self) {
  RL_CHECK(RuntimeError, is_floating(self.dtype()) && self.dtype() != DType::BFloat16 && !is_float8(self.dtype()),
           "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: ",
           self.dtype());
  RL_CHECK(RuntimeError, self.dim() > 0, "Input tensor must have one or more dimensions");
  RL_CHECK(RuntimeError, self.sizes().back() == 2, "Tensor must have a last dimension of size 2");
  RL_CHECK(RuntimeError, self.strides().back() == 1, "Tensor must have a last dimension with stride 1");
  RL_CHECK(RuntimeError, self.storage_offset() % 2 == 0, "Tensor must have a storage_offset divisible by 2");
  Dims sizes = self.sizes(), strides = self.strides();
  sizes.erase(sizes.size() - 1);
  strides.erase(strides.size() - 1);
  for (int64_t& s : strides) {
    RL_CHECK(RuntimeError, s % 2 == 0, "Tensor must have a stride divisible by 2 for all but last dimension");
    s /= 2;
  }
  return Tensor(make_ref<TensorImpl>(self.impl()->storage(), to_complex(self.dtype()), sizes, strides,
                                     self.storage_offset() / 2));
}

TensorSpec complex_meta(const Tensor& re, const Tensor& im) {
  bool known = re.dtype() == DType::Float32 || re.dtype() == DType::Float64 || re.dtype() == DType::Float16;
  RL_CHECK(RuntimeError, known, "Expected both inputs to be Half, Float or Double tensors but got ",
           scalar_type_name(re.dtype()), " and ", scalar_type_name(im.dtype()));
  RL_CHECK(RuntimeError, re.dtype() == im.dtype(), "Expected object of scalar type ", scalar_type_name(re.dtype()),
           " but got scalar type ", scalar_type_name(im.dtype()), " for second argument");
  return {.sizes = broadcast_shapes(re.sizes(), im.sizes()), .dtype = to_complex(re.dtype()), .device = re.device()};
}
void complex_cpu(const Tensor& re, const Tensor& im, const Tensor& out) {
  Tensor parts = view_as_real_op(out);
  for (int64_t part = 0; part < 2; part++) {
    Dims strides = parts.strides();
    strides.erase(strides.size() - 1);
    Tensor place = alias_tensor(parts, out.sizes(), strides, parts.storage_offset() + part);
    static const Op* copy = OpTable::get().find("copy_");
    IValue args[] = {IValue::borrow(place), IValue::borrow(part ? im : re), false}, ret;
    copy->run(args, &ret);
  }
}

}  // namespace

OP(conj_physical, {.schema = "conj_physical(Tensor self) -> Tensor",
                   .doc = "The complex conjugate, computed."
                          " >>> torch.conj_physical(torch.tensor([1 + 2j]))\ntensor([1.-2.j])",
                   .kernel = pointwise<Conj, Any>(),
                   .grad = {{}, [](const Saved&, const Tensor& g) { return Grads{conj(g)}; }},
                   .aliases = {"_conj_physical"}});
OP(conj, {.schema = "conj(Tensor(a) self) -> Tensor(a)",
          .doc = "The complex conjugate; a real tensor itself."
                 " >>> torch.conj(torch.tensor([1 + 2j])).resolve_conj()\ntensor([1.-2.j])",
          .kernel = composite<conj_op>()});
OP(resolve_conj, {.schema = "resolve_conj(Tensor(a) self) -> Tensor(a)",
                  .doc = "self: conjugation is never lazy here."
                         " >>> torch.tensor([1 + 2j]).conj().resolve_conj()\ntensor([1.-2.j])",
                  .kernel = composite<same>()});
OP(resolve_neg, {.schema = "resolve_neg(Tensor(a) self) -> Tensor(a)",
                 .doc = "self: negation is never lazy here."
                        " >>> torch.tensor([1, 2]).resolve_neg()\ntensor([1, 2])",
                 .kernel = composite<same>()});
OP(real, {.schema = "real(Tensor(a) self) -> Tensor(a)",
          .doc = "The real part, as a view."
                 " >>> torch.real(torch.tensor([1 + 2j]))\ntensor([1.])",
          .kernel = composite<real_op>(),
          .forms = kFunction});
OP(imag, {.schema = "imag(Tensor(a) self) -> Tensor(a)",
          .doc = "The imaginary part, as a view."
                 " >>> torch.imag(torch.tensor([1 + 2j]))\ntensor([2.])",
          .kernel = composite<imag_op>(),
          .forms = kFunction});
OP(view_as_real, {.schema = "view_as_real(Tensor(a) self) -> Tensor(a)",
                  .doc = "Real and imaginary part in a last dimension of 2."
                         " >>> torch.view_as_real(torch.tensor([1 + 2j]))\ntensor([[1., 2.]])",
                  .kernel = view<view_as_real_op>(),
                  .grad = {{}, [](const Saved&, const Tensor& g) { return Grads{view_as_complex(contiguous(g))}; }},
                  .forms = kFunction});
OP(view_as_complex, {.schema = "view_as_complex(Tensor(a) self) -> Tensor(a)",
                     .doc = "A last dimension of 2 as complex numbers."
                            " >>> torch.view_as_complex(torch.tensor([[1., 2.]]))\ntensor([1.+2.j])",
                     .kernel = view<view_as_complex_op>(),
                     .grad = {{}, [](const Saved&, const Tensor& g) { return Grads{view_as_real(g)}; }},
                     .forms = kFunction,
                     .autocast = Autocast::Float32});
OP(complex, {.schema = "complex(Tensor real, Tensor imag) -> Tensor",
             .doc = "Complex numbers from their parts."
                    " >>> torch.complex(torch.tensor([1.]), torch.tensor([2.]))\ntensor([1.+2.j])",
             .kernel = structured<complex_meta, complex_cpu>(),
             .grad = {{},
                      [](const Saved& s, const Tensor& g) {
                        return Grads{s.needs("real") ? real(g) : Tensor(), s.needs("imag") ? imag(g) : Tensor()};
                      }},
             .forms = kFunction | kOut});
OP(angle, {.schema = "angle(Tensor self) -> Tensor",
           .doc = "The angle of complex numbers; 0 or pi of real ones."
                  " >>> torch.angle(torch.tensor([1j, -1 + 0j]))\ntensor([1.5708, 3.1416])",
           .kernel = pointwise<Angle, FloatingAndComplex>(Promote::ToFloat),
           .grad = {{"self"},
                    [](const Saved& s, const Tensor& g) {
                      Tensor z = s["self"];
                      if (!is_complex(z.dtype())) return Grads{zeros_like(g)};
                      Tensor a = real(z), b = imag(z), scale = g / (a * a + b * b);
                      Tensor slope = complex(neg(b) * scale, a * scale);
                      return Grads{where(z == 0.0, zeros_like(slope), slope)};
                    }},
           .forms = kFunction | kMethod | kOut});

}  // namespace rushlight
