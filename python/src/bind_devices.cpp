// Devices as programs ask for them: which there are, their memory, streams and events, and what falls back to the CPU.
#include "bind.h"
#include "py_convert.h"
#include "py_new.h"
#include "rushlight/core/device_interface.h"
#include "rushlight/core/device_memory.h"
#include "rushlight/dispatch/device_kernels.h"

namespace rushlight::py {
namespace {

Device device_of(PyObject* o) {
  Device d;
  RL_CHECK(TypeError, as_device(o, d), "expected a torch.device, a string or an index, got ", short_type_name(o));
  return d;
}

void put(const Object& dict, const std::string& name, PyObject* value) {
  Object owned = check(value);
  if (PyDict_SetItemString(dict.get(), name.c_str(), owned.get()) < 0) throw ErrorSet{};
}

// ---- memory ----

Allocator& allocator_of(Device d) {
  d = located(d);
  RL_CHECK(RuntimeError, !d.is_meta(), "tensors on the meta device have no memory");
  return d.is_cpu() ? cpu_allocator() : find_device(d.type)->allocator(d.index);
}

// The counters under PyTorch's names, flat: "allocated_bytes.all.current", ...
PyObject* memory_stats(PyObject*, PyObject* device) {
  return guarded([&]() -> PyObject* {
    AllocatorStats s = allocator_of(device_of(device)).stats();
    Object out = check(PyDict_New());
    auto number = [&](const std::string& name, int64_t value) { put(out, name, PyLong_FromLongLong(value)); };
    auto count = [&](const std::string& name, const AllocatorStats::Count& c) {
      number(name + ".all.current", c.current);
      number(name + ".all.peak", c.peak);
      number(name + ".all.allocated", c.allocated);
      number(name + ".all.freed", c.freed);
    };
    count("allocated_bytes", s.bytes);
    count("allocation", s.blocks);
    count("reserved_bytes", s.reserved);
    number("cached_bytes", s.cached_bytes);
    number("num_ooms", s.out_of_memory);
    number("num_trims", s.trims);
    return out.release();
  });
}

PyObject* empty_cache(PyObject*, PyObject* device) {
  return guarded([&] {
    Device d = device_of(device);
    if (d.is_cpu()) empty_cpu_cache();
    else allocator_of(d).trim();
    return Py_NewRef(Py_None);
  });
}

// Whoever asks Python for a full collection wants memory back; those that Python starts itself are rare.
PyObject* collected(PyObject*, PyObject* args) {
  const char* phase;
  PyObject* info;
  if (!PyArg_ParseTuple(args, "sO!", &phase, &PyDict_Type, &info)) return nullptr;
  PyObject* generation = PyDict_GetItemString(info, "generation");
  if (std::string_view(phase) == "stop" && generation && PyLong_AsLong(generation) == 2) cpu_allocator().trim();
  Py_RETURN_NONE;
}

// ---- which there are ----

PyObject* properties(PyObject*, PyObject* device) {
  return guarded([&]() -> PyObject* {
    Device d = located(device_of(device));
    DeviceProperties p = device_interface(d.type).properties(d.index);
    Object out = check(PyDict_New());
    put(out, "name", to_str(p.name));
    put(out, "total_memory", PyLong_FromLongLong(p.total_memory));
    put(out, "multi_processor_count", PyLong_FromLong(p.multi_processors));
    put(out, "major", PyLong_FromLong(p.major));
    put(out, "minor", PyLong_FromLong(p.minor));
    return out.release();
  });
}

// ---- streams and events: (device, id), and capsules ----

PyObject* pair_of(const Stream& s) {
  Object device = check(wrap(s.device));
  return Py_BuildValue("(OL)", device.get(), static_cast<long long>(s.id));
}
Stream stream_of(PyObject* pair) {
  PyObject* device;
  long long id;
  if (!PyArg_ParseTuple(pair, "OL", &device, &id)) throw ErrorSet{};
  return {located(device_of(device)), id};
}

constexpr const char* kEvent = "rushlight.event";
Event& event_of(PyObject* o) {
  auto* event = static_cast<Event*>(PyCapsule_GetPointer(o, kEvent));
  if (!event) throw ErrorSet{};
  return *event;
}
PyObject* new_event(PyObject*, PyObject* args) {
  PyObject* device;
  int timing;
  if (!PyArg_ParseTuple(args, "Op", &device, &timing)) return nullptr;
  return guarded([&] {
    Ref<Event> event = make_ref<Event>(device_of(device), bool(timing));
    return PyCapsule_New(event.leak(), kEvent,
                         [](PyObject* o) { static_cast<Event*>(PyCapsule_GetPointer(o, kEvent))->release(); });
  });
}
PyObject* event_and_stream(PyObject* args, void (*f)(Event&, const Stream&)) {
  PyObject *event, *stream;
  if (!PyArg_ParseTuple(args, "OO", &event, &stream)) return nullptr;
  return guarded([&] {
    f(event_of(event), stream_of(stream));
    return Py_NewRef(Py_None);
  });
}

template <class F>
PyObject* without_gil(const F& f) {
  return guarded([&] {
    {
      GilRelease nogil(true);
      f();
    }
    return Py_NewRef(Py_None);
  });
}

#define RL_DEVICE_METHOD(name, body) \
  {name, [](PyObject*, PyObject* o) -> PyObject* { return guarded([&]()->PyObject * body); }, METH_O, nullptr}

PyMethodDef functions[] = {
    {"_memory_stats", memory_stats, METH_O, nullptr},
    RL_DEVICE_METHOD("_reset_peak_memory_stats",
                     {
                       allocator_of(device_of(o)).reset_peak_stats();
                       Py_RETURN_NONE;
                     }),
    RL_DEVICE_METHOD("_reset_accumulated_memory_stats",
                     {
                       allocator_of(device_of(o)).reset_accumulated_stats();
                       Py_RETURN_NONE;
                     }),
    {"_empty_cache", empty_cache, METH_O, nullptr},
    {"_collected", collected, METH_VARARGS, nullptr},
    // Names.
    RL_DEVICE_METHOD("_rename_privateuse1_backend",
                     {
                       RL_CHECK(TypeError, PyUnicode_Check(o), "rename_privateuse1_backend: expected a str, got ",
                                short_type_name(o));
                       rename_privateuse1(text_of(o));
                       Py_RETURN_NONE;
                     }),
    {"_get_privateuse1_backend_name",
     [](PyObject*, PyObject*) { return to_str(device_type_name(DeviceType::PrivateUse1)); }, METH_NOARGS, nullptr},
    // Which there are.
    {"_accelerator",
     [](PyObject*, PyObject*) -> PyObject* {
       DeviceType type = accelerator_type();
       return type == DeviceType::Cpu ? Py_NewRef(Py_None) : wrap(Device{type});
     },
     METH_NOARGS, nullptr},
    RL_DEVICE_METHOD("_device_count",
                     {
                       Device d = device_of(o);
                       DeviceInterface* device = find_device(d.type);
                       return PyLong_FromLong(d.is_cpu() ? 1 : device ? device->count() : 0);
                     }),
    RL_DEVICE_METHOD("_current_device", { return PyLong_FromLong(device_interface(device_of(o).type).current()); }),
    RL_DEVICE_METHOD("_set_device",
                     {
                       Device d = located(device_of(o));
                       if (DeviceInterface* device = find_device(d.type)) device->set_current(d.index);
                       Py_RETURN_NONE;
                     }),
    {"_device_properties", properties, METH_O, nullptr},
    RL_DEVICE_METHOD("_default_generator", { return wrap(Ref<Generator>(&default_generator(device_of(o)))); }),
    // Order.
    RL_DEVICE_METHOD("_device_synchronize",
                     {
                       Device d = device_of(o);
                       return without_gil([&] { synchronize(d); });
                     }),
    RL_DEVICE_METHOD("_current_stream", { return pair_of(current_stream(device_of(o))); }),
    RL_DEVICE_METHOD("_set_stream",
                     {
                       set_current_stream(stream_of(o));
                       Py_RETURN_NONE;
                     }),
    {"_new_stream",
     [](PyObject*, PyObject* args) -> PyObject* {
       PyObject* device;
       int priority;
       if (!PyArg_ParseTuple(args, "Oi", &device, &priority)) return nullptr;
       return guarded([&] { return pair_of(new_stream(device_of(device), priority)); });
     },
     METH_VARARGS, nullptr},
    RL_DEVICE_METHOD("_stream_query", { return PyBool_FromLong(stream_done(stream_of(o))); }),
    RL_DEVICE_METHOD("_stream_synchronize",
                     {
                       Stream s = stream_of(o);
                       return without_gil([&] { synchronize(s); });
                     }),
    {"_new_event", new_event, METH_VARARGS, nullptr},
    {"_event_record",
     [](PyObject*, PyObject* args) { return event_and_stream(args, [](Event& e, const Stream& s) { e.record(s); }); },
     METH_VARARGS, nullptr},
    {"_event_wait",
     [](PyObject*, PyObject* args) {
       return event_and_stream(args, [](Event& e, const Stream& s) { e.make_wait(s); });
     },
     METH_VARARGS, nullptr},
    RL_DEVICE_METHOD("_event_query", { return PyBool_FromLong(event_of(o).done()); }),
    RL_DEVICE_METHOD("_event_synchronize",
                     {
                       Event& e = event_of(o);
                       return without_gil([&] { e.synchronize(); });
                     }),
    {"_event_elapsed",
     [](PyObject*, PyObject* args) -> PyObject* {
       PyObject *begin, *end;
       if (!PyArg_ParseTuple(args, "OO", &begin, &end)) return nullptr;
       return guarded([&] { return PyFloat_FromDouble(event_of(begin).milliseconds_until(event_of(end))); });
     },
     METH_VARARGS, nullptr},
    // What falls back to the CPU.
    {"_cpu_fallback_allowed", [](PyObject*, PyObject*) { return PyBool_FromLong(cpu_fallback_allowed()); }, METH_NOARGS,
     nullptr},
    RL_DEVICE_METHOD("_allow_cpu_fallback",
                     {
                       int on = PyObject_IsTrue(o);
                       if (on < 0) throw ErrorSet{};
                       allow_cpu_fallback(on);
                       Py_RETURN_NONE;
                     }),
    {"_cpu_fallback_counts",
     [](PyObject*, PyObject*) {
       return guarded([&] {
         Object out = check(PyDict_New());
         for (auto& [name, count] : cpu_fallback_counts()) put(out, name, PyLong_FromLongLong(count));
         return out.release();
       });
     },
     METH_NOARGS, nullptr},
    {"_reset_cpu_fallback_counts",
     [](PyObject*, PyObject*) -> PyObject* {
       reset_cpu_fallback_counts();
       Py_RETURN_NONE;
     },
     METH_NOARGS, nullptr},
    {},
};

}  // namespace

void bind_devices(PyObject* module) {
  add_methods(module, functions);
  Object gc = check(PyImport_ImportModule("gc"));
  Object callbacks = check(PyObject_GetAttrString(gc.get(), "callbacks"));
  Object hook = check(PyObject_GetAttrString(module, "_collected"));
  if (PyList_Append(callbacks.get(), hook.get()) < 0) throw ErrorSet{};
}

}  // namespace rushlight::py
