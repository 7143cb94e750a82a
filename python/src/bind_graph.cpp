// Graphs as Python objects: _C.Graph, and the blocks, nodes and values in it, under PyTorch's names. What is made of these few methods
// (findNode, attribute getters, types as objects) stands in rushlight/jit/_graph.py.
//
// Each object holds the graph, which keeps destroyed nodes' memory: an object of one is stale, and never dangles.
#include "bind.h"
#include "py_convert.h"
#include "py_script.h"
#include "rushlight/graph/executor/lists.h"
#include "rushlight/graph/parse.h"
#include "rushlight/graph/passes/effects.h"
#include "rushlight/graph/passes/passes.h"

namespace rushlight::py {
namespace {

using graph::Block;
using graph::Function;
using graph::Graph;
using graph::Node;
using graph::Value;

template <class T>
struct Part {
  PyObject_HEAD std::shared_ptr<Graph>* graph;  // owned, never null
  T* part;
};
template <class T>
PyTypeObject* part_type;

// The graph, with what must live as long: see Note [Who keeps a class] in ir.h.
std::shared_ptr<Graph> kept(std::shared_ptr<Graph> g, std::shared_ptr<const void> owner) {
  Graph* graph = g.get();
  using Both = std::pair<std::shared_ptr<Graph>, std::shared_ptr<const void>>;
  return {std::make_shared<Both>(std::move(g), std::move(owner)), graph};
}

template <class T>
PyObject* wrap_part(const std::shared_ptr<Graph>& g, T* part) {
  if (!part) Py_RETURN_NONE;
  auto* o = reinterpret_cast<Part<T>*>(check(part_type<T>->tp_alloc(part_type<T>, 0)).release());
  o->graph = new std::shared_ptr<Graph>(g);
  o->part = part;
  return reinterpret_cast<PyObject*>(o);
}
template <class T>
const std::shared_ptr<Graph>& graph_of(PyObject* o) {
  return *reinterpret_cast<Part<T>*>(o)->graph;
}
template <class T>
T& part_of(PyObject* o) {
  RL_CHECK(TypeError, Py_TYPE(o) == part_type<T>, "expected a ", part_type<T>->tp_name, ", got ", type_name(o));
  return *reinterpret_cast<Part<T>*>(o)->part;
}
// One of the same graph as `self`: values and nodes of two graphs don't mix.
template <class T, class Self>
T* part_beside(PyObject* self, PyObject* o) {
  T& part = part_of<T>(o);
  RL_CHECK(RuntimeError, graph_of<T>(o) == graph_of<Self>(self), "a value or node of another graph");
  return &part;
}
template <class Self, class T>
PyObject* wrap_parts(PyObject* self, const std::vector<T*>& parts) {
  Object list = check(PyList_New(Py_ssize_t(parts.size())));
  for (size_t i = 0; i < parts.size(); i++)
    PyList_SET_ITEM(list.get(), Py_ssize_t(i), wrap_part(graph_of<Self>(self), parts[i]));
  return list.release();
}
template <class T, class Self>
std::vector<T*> parts_beside(PyObject* self, PyObject* given) {
  Object items = check(PySequence_Fast(given, "expected a sequence of values"));
  std::vector<T*> out;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.get()); i++)
    out.push_back(part_beside<T, Self>(self, PySequence_Fast_GET_ITEM(items.get(), i)));
  return out;
}
size_t index_from(PyObject* o, size_t count) {
  int64_t i;
  RL_CHECK(TypeError, as_int(o, i), "expected an index, got ", type_name(o));
  RL_CHECK(IndexError, i >= 0 && size_t(i) < count, "index ", i, " is out of range: there are ", count);
  return size_t(i);
}

// A method: `self` is the object, `a` its argument.
#define RL_METHOD(...)                                   \
  [](PyObject* self, PyObject* a) -> PyObject* {         \
    (void)a;                                             \
    return guarded([&]() -> PyObject* { __VA_ARGS__; }); \
  }

// A node whose inputs or outputs are others now: which operator that is is asked again.
Node& changed(Node& n) {
  n.op = nullptr;
  n.primitive = nullptr;
  return n;
}
void users_changed(const Value& v) {
  for (const graph::Use& u : v.uses()) changed(*u.user);
}

// ---- values ----

template <class T>
PyObject* to_python_if(const std::optional<T>& v) {
  return to_python(v ? IValue(*v) : IValue());
}
template <class T>
std::optional<T> fact_from(PyObject* facts, Py_ssize_t i, T (*read)(const IValue&)) {
  IValue v = from_python(PyTuple_GetItem(facts, i));
  return v.is_none() ? std::nullopt : std::optional<T>(read(v));
}
PyObject* type_to_python(const Type& t, const graph::TensorFacts* facts) {
  Object parts = check(PyList_New(0));
  for (const TypePtr& part : t.contained())
    check_status(PyList_Append(parts.get(), check(type_to_python(*part, nullptr)).get()));
  Object known = Object::borrow(Py_None);
  if (facts && t.is(Type::Kind::Tensor))
    known = Object(check(Py_BuildValue("(NNNNN)", facts->dtype ? wrap(*facts->dtype) : to_python({}),
                                       to_python_if(facts->sizes), to_python_if(facts->strides),
                                       to_python_if(facts->device), to_python_if(facts->requires_grad))));
  Object fields = check(PyList_New(0));
  for (const std::string& f : t.fields()) check_status(PyList_Append(fields.get(), check(to_str(f)).get()));
  return PyObject_CallFunction(imported("rushlight.jit._types", "made"), "iNNOOO", int(t.kind()), to_str(t.text()),
                               to_str(t.name()), parts.get(), fields.get(), known.get());
}
PyMethodDef value_methods[] = {
    {"debugName", RL_METHOD(return to_str(graph_of<Value>(self)->name_of(&part_of<Value>(self)))), METH_NOARGS,
     "the name, as the graph's text has it"},
    {"setDebugName",
     RL_METHOD(part_of<Value>(self).set_name(std::string(text_of(a))); return Object::borrow(self).release()), METH_O,
     "names it; another value of that name keeps it, and this one gets a number"},
    {"type", RL_METHOD(const Value& v = part_of<Value>(self); return type_to_python(*v.type(), v.facts.get())),
     METH_NOARGS, "the type, an object of torch._C"},
    {"_type_text", RL_METHOD(return to_str(part_of<Value>(self).type()->text())), METH_NOARGS, "the type, as text"},
    {"_set_type",
     RL_METHOD(part_of<Value>(self).set_type(parse_schema_type(text_of(a))); users_changed(part_of<Value>(self));
               changed(*part_of<Value>(self).node()); Py_RETURN_NONE),
     METH_O, "sets the type from a schema's text"},
    {"_set_facts",
     RL_METHOD(std::shared_ptr<graph::TensorFacts> facts; if (a != Py_None) {
       RL_CHECK(TypeError, PyTuple_Check(a) && PyTuple_GET_SIZE(a) == 5,
                "_set_facts: expected (dtype, sizes, strides, device, requires_grad) or None");
       auto dims = +[](const IValue& v) { return graph::list_size(v) ? Dims(v.int_list()) : Dims(); };
       facts = std::make_shared<graph::TensorFacts>();
       facts->dtype = fact_from(a, 0, +[](const IValue& v) { return DType(v.to_int()); });
       facts->sizes = fact_from(a, 1, dims);
       facts->strides = fact_from(a, 2, dims);
       facts->device = fact_from(a, 3, +[](const IValue& v) { return v.to_device(); });
       facts->requires_grad = fact_from(a, 4, +[](const IValue& v) { return v.to_bool(); });
     } part_of<Value>(self)
                                                              .facts = std::move(facts);
               Py_RETURN_NONE),
     METH_O, "says what is known of a tensor: (dtype, sizes, strides, device, requires_grad), each may be None"},
    {"node", RL_METHOD(return wrap_part(graph_of<Value>(self), part_of<Value>(self).node())), METH_NOARGS,
     "the node that makes it"},
    {"offset", RL_METHOD(return PyLong_FromSize_t(part_of<Value>(self).index())), METH_NOARGS,
     "which of the node's outputs it is"},
    {"_uses", RL_METHOD(Object list = check(PyList_New(0)); for (const graph::Use& u : part_of<Value>(self).uses()) {
       Object pair = check(Py_BuildValue("(Nn)", wrap_part(graph_of<Value>(self), u.user), Py_ssize_t(u.index)));
       check_status(PyList_Append(list.get(), pair.get()));
     } return list.release()),
     METH_NOARGS, "[(node, index of its input)]"},
    {"replaceAllUsesWith",
     RL_METHOD(Value* other = part_beside<Value, Value>(self, a); users_changed(part_of<Value>(self));
               if (other != &part_of<Value>(self)) part_of<Value>(self).replace_all_uses_with(other); Py_RETURN_NONE),
     METH_O, "lets who uses this value use another"},
    {"toIValue",
     RL_METHOD(const IValue* c = graph::constant_of(&part_of<Value>(self)); return c ? to_python(*c) : to_python({})),
     METH_NOARGS, "the value of a constant; None for others"},
    {"unique", RL_METHOD(return PyLong_FromVoidPtr(&part_of<Value>(self))), METH_NOARGS,
     "a number that no other value has"},
    {nullptr, nullptr, 0, nullptr}};

// ---- nodes ----

PyObject* location_to_python(const Node& n) {
  const graph::Location& l = n.location;
  return Py_BuildValue("(NiiN)", to_str(l.file), l.line, l.column, to_str(l.snippet));
}
Node* placed(PyObject* self, PyObject* other) { return part_beside<Node, Node>(self, other); }
PyMethodDef node_methods[] = {
    {"kind", RL_METHOD(return to_str(part_of<Node>(self).kind())), METH_NOARGS, "\"aten::add\", \"prim::If\""},
    {"_inputs", RL_METHOD(return wrap_parts<Node>(self, part_of<Node>(self).inputs())), METH_NOARGS, "its inputs"},
    {"_outputs", RL_METHOD(return wrap_parts<Node>(self, part_of<Node>(self).outputs())), METH_NOARGS, "its outputs"},
    {"_blocks", RL_METHOD(return wrap_parts<Node>(self, part_of<Node>(self).blocks())), METH_NOARGS, "its blocks"},
    {"owningBlock", RL_METHOD(return wrap_part(graph_of<Node>(self), part_of<Node>(self).owner())), METH_NOARGS,
     "the block that it stands in"},
    {"owningGraph", RL_METHOD(const auto& g = graph_of<Node>(self); return wrap_part(g, g.get())), METH_NOARGS,
     "the graph that it is of"},
    {"next", RL_METHOD(return wrap_part(graph_of<Node>(self), part_of<Node>(self).next())), METH_NOARGS,
     "the one after it"},
    {"prev", RL_METHOD(return wrap_part(graph_of<Node>(self), part_of<Node>(self).previous())), METH_NOARGS,
     "the one before it"},
    {"_reshapes",
     RL_METHOD(Node& n = part_of<Node>(self); if (!n.op) graph::resolve(&n);
               return PyBool_FromLong(n.op && n.op->def().reshapes)),
     METH_NOARGS, "Whether the operator changes sizes or strides of what it writes to."},
    {"isNondeterministic",
     RL_METHOD(if (!part_of<Node>(self).schema()) graph::resolve(&part_of<Node>(self));
               return PyBool_FromLong(graph::is_random(part_of<Node>(self)))),
     METH_NOARGS, "Whether the operator draws random numbers."},
    {"schema",
     RL_METHOD(Node& n = part_of<Node>(self); if (!n.schema()) graph::resolve(&n);
               return to_str(n.schema() ? n.schema()->full_text() : "(no schema)")),
     METH_NOARGS, "the schema of the operator it calls, as text"},
    {"_location", RL_METHOD(return location_to_python(part_of<Node>(self))), METH_NOARGS,
     "(file, line, column, source around)"},
    {"_set_location", RL_METHOD(part_of<Node>(self).location = placed(self, a)->location; Py_RETURN_NONE), METH_O,
     "says that it came from where another node did"},
    {"attributeNames",
     RL_METHOD(Object list = check(PyList_New(0));
               for (const auto& [name, v] : part_of<Node>(self).attributes()) if (!v.is_capsule())
                   check_status(PyList_Append(list.get(), check(to_str(name)).get()));
               return list.release()),
     METH_NOARGS, "names of its attributes"},
    {"_attribute",
     RL_METHOD(Node& n = part_of<Node>(self); std::string name(text_of(a));
               RL_CHECK(IndexError, n.has_attribute(name), "the node ", n.kind(), " has no attribute '", name, "'");
               return to_python(n.attribute(name))),
     METH_O, "the value of an attribute"},
    {"_attribute_kind",
     RL_METHOD(Node& n = part_of<Node>(self); std::string name(text_of(a));
               RL_CHECK(IndexError, n.has_attribute(name), "the node ", n.kind(), " has no attribute '", name, "'");
               return to_str(n.attribute(name).type()->text())),
     METH_O, "the type of an attribute's value, as text"},
    {"_set_attribute",
     RL_METHOD(const char* name; PyObject * v; if (!PyArg_ParseTuple(a, "sO:_set_attribute", &name, &v)) return nullptr;
               part_of<Node>(self).set_attribute(name, from_python(v)); Py_RETURN_NONE),
     METH_VARARGS, "_set_attribute(name, value)"},
    {"addInput",
     RL_METHOD(return wrap_part(graph_of<Node>(self),
                                changed(part_of<Node>(self)).add_input(part_beside<Value, Node>(self, a)))),
     METH_O, "adds an input"},
    {"addOutput", RL_METHOD(return wrap_part(graph_of<Node>(self), changed(part_of<Node>(self)).add_output())),
     METH_NOARGS, "adds an output, a tensor"},
    {"replaceInput",
     RL_METHOD(PyObject * at, *v; if (!PyArg_ParseTuple(a, "OO:replaceInput", &at, &v)) return nullptr;
               Node& n = changed(part_of<Node>(self));
               n.replace_input(index_from(at, n.inputs().size()), part_beside<Value, Node>(self, v)); Py_RETURN_NONE),
     METH_VARARGS, "replaceInput(i, value)"},
    {"removeInput",
     RL_METHOD(Node& n = changed(part_of<Node>(self)); n.remove_input(index_from(a, n.inputs().size()));
               Py_RETURN_NONE),
     METH_O, "takes an input away"},
    {"removeAllInputs", RL_METHOD(changed(part_of<Node>(self)).remove_all_inputs(); Py_RETURN_NONE), METH_NOARGS,
     "takes all inputs away"},
    {"eraseOutput",
     RL_METHOD(Node& n = part_of<Node>(self); size_t i = index_from(a, n.outputs().size());
               RL_CHECK(RuntimeError, !n.output(i)->has_uses(), "eraseOutput: the output has uses");
               changed(n).remove_output(i); Py_RETURN_NONE),
     METH_O, "takes an output away that nothing uses"},
    {"addBlock", RL_METHOD(return wrap_part(graph_of<Node>(self), part_of<Node>(self).add_block())), METH_NOARGS,
     "adds an empty block"},
    {"insertBefore", RL_METHOD(part_of<Node>(self).insert_before(placed(self, a)); Py_RETURN_NONE), METH_O,
     "puts it before another node"},
    {"insertAfter", RL_METHOD(part_of<Node>(self).insert_after(placed(self, a)); Py_RETURN_NONE), METH_O,
     "puts it after another node"},
    {"moveBefore", RL_METHOD(part_of<Node>(self).move_before(placed(self, a)); Py_RETURN_NONE), METH_O,
     "moves it before another node"},
    {"moveAfter", RL_METHOD(part_of<Node>(self).move_before(placed(self, a)->next()); Py_RETURN_NONE), METH_O,
     "moves it after another node"},
    {"destroy",
     RL_METHOD(Node& n = part_of<Node>(self); for (Value * v : n.outputs())
                   RL_CHECK(RuntimeError, !v->has_uses(), "destroy: an output of ", n.kind(), " has uses");
               n.destroy(); Py_RETURN_NONE),
     METH_NOARGS, "takes it out of the graph; nothing may use its outputs"},
    {nullptr, nullptr, 0, nullptr}};

// ---- blocks ----

std::vector<Node*> nodes_in(const Block& b) {
  std::vector<Node*> out;
  for (Node* n : b) out.push_back(n);
  return out;
}
PyMethodDef block_methods[] = {
    {"_nodes", RL_METHOD(return wrap_parts<Block>(self, nodes_in(part_of<Block>(self)))), METH_NOARGS, "its nodes"},
    {"_inputs", RL_METHOD(return wrap_parts<Block>(self, part_of<Block>(self).inputs())), METH_NOARGS, "its inputs"},
    {"_outputs", RL_METHOD(return wrap_parts<Block>(self, part_of<Block>(self).outputs())), METH_NOARGS, "its outputs"},
    {"paramNode", RL_METHOD(return wrap_part(graph_of<Block>(self), part_of<Block>(self).param())), METH_NOARGS,
     "the node whose outputs are the inputs"},
    {"returnNode", RL_METHOD(return wrap_part(graph_of<Block>(self), part_of<Block>(self).ret())), METH_NOARGS,
     "the node whose inputs are the outputs"},
    {"owningNode", RL_METHOD(return wrap_part(graph_of<Block>(self), part_of<Block>(self).owner())), METH_NOARGS,
     "the node that it is of; None for a graph's own"},
    {"addInputToBlock", RL_METHOD(return wrap_part(graph_of<Block>(self), part_of<Block>(self).add_input())),
     METH_NOARGS, "adds an input, a tensor"},
    {"registerOutput",
     RL_METHOD(return PyLong_FromSize_t(part_of<Block>(self).register_output(part_beside<Value, Block>(self, a)))),
     METH_O, "adds an output"},
    {"_append", RL_METHOD(part_of<Block>(self).append(part_beside<Node, Block>(self, a)); Py_RETURN_NONE), METH_O,
     "puts a node at the end"},
    {nullptr, nullptr, 0, nullptr}};

// ---- graphs ----

PyObject* graph_new(PyTypeObject*, PyObject*, PyObject*) {
  return guarded([&]() -> PyObject* {
    imported("rushlight.jit._graph", "ready");  // the methods that stand there
    auto g = std::make_shared<Graph>();
    return wrap_part(g, g.get());
  });
}
PyObject* graph_create(PyObject* self, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char* kind;
    PyObject* inputs = nullptr;
    int outputs = 1;
    if (!PyArg_ParseTuple(args, "s|Oi:create", &kind, &inputs, &outputs)) return nullptr;
    RL_CHECK(ValueError, outputs >= 0 && outputs < 1000, "create: expected 0 to 1000 outputs, got ", outputs);
    auto values = inputs ? parts_beside<Value, Graph>(self, inputs) : std::vector<Value*>();
    return wrap_part(graph_of<Graph>(self), part_of<Graph>(self).create(kind, values, size_t(outputs)));
  });
}
PyObject* graph_insert_point(PyObject* self, PyObject* place) {
  return guarded([&]() -> PyObject* {
    if (Py_TYPE(place) == part_type<Block>)
      part_of<Graph>(self).set_insert_point(part_beside<Block, Graph>(self, place));
    else part_of<Graph>(self).set_insert_point(part_beside<Node, Graph>(self, place));
    Py_RETURN_NONE;
  });
}
void note_memory(PyObject* self, graph::AliasSets& sets, const Block& b, PyObject* into) {
  auto note = [&](Value* v) {
    Object key(wrap_part(graph_of<Graph>(self), v));
    Object facts = check(Py_BuildValue("(NNN)", PyLong_FromVoidPtr(const_cast<Value*>(sets.set_of(v))),
                                       PyBool_FromLong(sets.is_written(v)), PyBool_FromLong(sets.escapes(v))));
    check_status(PyDict_SetItem(into, key.get(), facts.get()));
  };
  for (Value* v : b.inputs()) note(v);
  for (const Node* n : b) {
    for (Value* v : n->outputs()) note(v);
    for (const Block* inner : n->blocks()) note_memory(self, sets, *inner, into);
  }
}
PyObject* graph_memory(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    Object out = check(PyDict_New());
    Graph& g = part_of<Graph>(self);
    g.check();
    graph::resolve_all(*g.block());
    graph::AliasSets sets(g);
    note_memory(self, sets, *g.block(), out.get());
    return out.release();
  });
}
PyMethodDef graph_methods[] = {
    {"_text", RL_METHOD(return to_str(part_of<Graph>(self).text(PyObject_IsTrue(a) == 1))), METH_O,
     "_text(with places in the source)"},
    {"block", RL_METHOD(return wrap_part(graph_of<Graph>(self), part_of<Graph>(self).block())), METH_NOARGS,
     "the block of all"},
    {"copy", RL_METHOD(auto g = kept(part_of<Graph>(self).copy(), graph_of<Graph>(self)); return wrap_part(g, g.get())),
     METH_NOARGS, "a copy"},
    {"lint", RL_METHOD(part_of<Graph>(self).lint(); Py_RETURN_NONE), METH_NOARGS,
     "checks that uses and scopes fit together"},
    {"create", graph_create, METH_VARARGS, "create(kind, inputs=[], outputs=1): a node that stands nowhere yet"},
    {"insertNode",
     RL_METHOD(Node* n = part_beside<Node, Graph>(self, a);
               return wrap_part(graph_of<Graph>(self), part_of<Graph>(self).insert(n))),
     METH_O, "puts a node at the insert point"},
    {"setInsertPoint", graph_insert_point, METH_O, "before a node, or at the end of a block"},
    {"insertPoint", RL_METHOD(return wrap_part(graph_of<Graph>(self), part_of<Graph>(self).insert_point())),
     METH_NOARGS, "the node before which nodes are put"},
    {"insertConstant",
     RL_METHOD(return wrap_part(graph_of<Graph>(self), part_of<Graph>(self).insert_constant(from_python(a)))), METH_O,
     "a constant, at the insert point"},
    {"_add_input",
     RL_METHOD(return wrap_part(graph_of<Graph>(self), part_of<Graph>(self).add_input(std::string(text_of(a))))),
     METH_O, "adds an input, a tensor"},
    {"eraseInput",
     RL_METHOD(Node* n = part_of<Graph>(self).block()->param(); size_t i = index_from(a, n->outputs().size());
               RL_CHECK(RuntimeError, !n->output(i)->has_uses(), "eraseInput: the input has uses"); n->remove_output(i);
               Py_RETURN_NONE),
     METH_O, "takes an input away that nothing uses"},
    {"eraseOutput",
     RL_METHOD(Node* n = part_of<Graph>(self).block()->ret(); n->remove_input(index_from(a, n->inputs().size()));
               Py_RETURN_NONE),
     METH_O, "takes an output away"},
    {"_memory", graph_memory, METH_NOARGS,
     "{value: (a number for what may share its memory, whether something writes to that, whether it outlives the "
     "graph)}"},
    {"_pass",
     RL_METHOD(std::string name(text_of(a)); const graph::Pass* pass = graph::find_pass(name);
               RL_CHECK(RuntimeError, pass, "there is no pass '", name, "'"); part_of<Graph>(self).check();
               return PyBool_FromLong(pass->run(part_of<Graph>(self)))),
     METH_O, "_pass(name): runs one of PyTorch's passes, and says whether it changed anything"},
    {nullptr, nullptr, 0, nullptr}};

template <class T>
void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  delete reinterpret_cast<Part<T>*>(self)->graph;
  type->tp_free(self);
  Py_DECREF(type);
}
template <class T>
PyObject* compare(PyObject* a, PyObject* b, int op) {
  if ((op != Py_EQ && op != Py_NE) || Py_TYPE(a) != Py_TYPE(b)) Py_RETURN_NOTIMPLEMENTED;
  return PyBool_FromLong((&part_of<T>(a) == &part_of<T>(b)) == (op == Py_EQ));
}
template <class T>
Py_hash_t hash(PyObject* self) {
  return Py_hash_t(reinterpret_cast<uintptr_t>(&part_of<T>(self)) >> 4);
}
template <class T>
void add_type(PyObject* module, const char* name, PyMethodDef* table, const char* doc, bool made_by_python = false) {
  PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(dealloc<T>)},
                         {Py_tp_richcompare, reinterpret_cast<void*>(compare<T>)},
                         {Py_tp_hash, reinterpret_cast<void*>(hash<T>)},
                         {Py_tp_methods, table},
                         {Py_tp_doc, const_cast<char*>(doc)},
                         {made_by_python ? Py_tp_new : 0, reinterpret_cast<void*>(graph_new)},
                         {0, nullptr}};
  PyType_Spec spec = {name, sizeof(Part<T>), 0,
                      unsigned(Py_TPFLAGS_DEFAULT | (made_by_python ? 0 : Py_TPFLAGS_DISALLOW_INSTANTIATION)), slots};
  part_type<T> = reinterpret_cast<PyTypeObject*>(check(PyType_FromSpec(&spec)).release());
  add_object(module, std::string(name).substr(std::string(name).rfind('.') + 1).c_str(),
             reinterpret_cast<PyObject*>(part_type<T>));
}

// parse_ir(text) -> Graph
PyObject* parse_ir(PyObject*, PyObject* text) {
  return guarded([&]() -> PyObject* { return wrap_graph(graph::parse_graph(text_of(text)), nullptr); });
}
// _function_from_graph(name, graph) -> ScriptFunction
PyObject* function_from_graph(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const char* name;
    PyObject* g;
    if (!PyArg_ParseTuple(args, "sO!:_function_from_graph", &name, part_type<Graph>, &g)) return nullptr;
    auto f = std::make_shared<Function>();
    f->name = name;
    f->compile = [graph = kept(part_of<Graph>(g).copy(), graph_of<Graph>(g))](Function& into) {
      into.schema.name = into.name;
      for (const Value* v : graph->inputs()) {
        Argument a;
        a.name = graph->name_of(v);
        a.type = v->type();
        a.type_name = a.type->schema_text();
        into.schema.args.push_back(std::move(a));
      }
      for (const Value* v : graph->outputs()) {
        Argument r;
        r.type = v->type();
        r.type_name = r.type->schema_text();
        into.schema.returns.push_back(std::move(r));
      }
      into.graph = graph;
    };
    f->made();
    return wrap_function(std::move(f));
  });
}
PyMethodDef methods[] = {
    {"_parse_ir", parse_ir, METH_O, "_parse_ir(text) -> Graph"},
    {"_function_from_graph", function_from_graph, METH_VARARGS, "_function_from_graph(name, graph) -> ScriptFunction"},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

PyObject* wrap_graph(const std::shared_ptr<Graph>& g, std::shared_ptr<const void> owner) {
  imported("rushlight.jit._graph", "ready");  // the methods that stand there
  auto both = kept(g, std::move(owner));
  return wrap_part(both, both.get());
}

void bind_graph(PyObject* module) {
  add_type<Graph>(module, "rushlight._C.Graph", graph_methods, "A graph of nodes and values.", true);
  add_type<Block>(module, "rushlight._C.Block", block_methods, "A run of nodes in a graph.");
  add_type<Node>(module, "rushlight._C.Node", node_methods, "A call of an operator, or a branch or loop.");
  add_type<Value>(module, "rushlight._C.Value", value_methods, "What a node makes, or a graph is given.");
  add_methods(module, methods);
}

}  // namespace rushlight::py
