// rushlight for Node: tensors, operators and script modules. README.md says how; index.d.ts has the types.
'use strict';

const native = require('./rushlight.node');
const { Tensor, ScriptModule } = native;

// What scripts and operators tell from a plain number, array or string: `parts` is what the native side reads.
class Special {
  constructor(kind, a, b, text) {
    Object.defineProperty(this, 'parts', { value: Object.freeze([kind, a, b]) });
    Object.defineProperty(this, 'text', { value: text });
    Object.freeze(this);
  }
  toString() { return this.text; }
  toJSON() { return this.text; }
  [Symbol.for('nodejs.util.inspect.custom')]() { return this.text; }
}
function number(value, what) {
  if (typeof value !== 'number') throw new TypeError(`${what}: expected a number, got a ${typeof value}`);
  return value;
}
/** A number that is a float for scripts also where it is whole: `new rl.Float(2)`. */
class Float extends Special {
  constructor(value) { super(0, number(value, 'Float'), 0, `${value}`); }
}
class Complex extends Special {
  constructor(re, im) { super(1, number(re, 'Complex'), number(im, 'Complex'), `${re} + ${im}i`); }
}
class DType extends Special {
  constructor(name, code) { super(2, code, 0, name); }
}
class Device extends Special {
  constructor(name, type, index) { super(3, type, index, name); }
}
/** An array that scripts see as a tuple: `rl.tuple(1, 'a')`. */
class Tuple extends Array {
  static get [Symbol.species]() { return Array; }
}

native.begin({ Tensor, ScriptModule, Tuple, Number: Special });

const dtypes = Object.create(null);
for (const [name, code] of Object.entries(native.dtypeNames())) dtypes[name] = new DType(name, code);
const aliases = { __proto__: null, float: 'float32', double: 'float64', half: 'float16', int: 'int32', long: 'int64', short: 'int16',
  chalf: 'complex32', cfloat: 'complex64', cdouble: 'complex128' };

function dtypeOf(value, where) {
  if (value instanceof DType) return value;
  const found = typeof value === 'string' ? dtypes[aliases[value] ?? value] : undefined;
  if (!found) throw new TypeError(`${where}: expected a dtype, as rl.float32 or 'float32', got ${String(value)}`);
  return found;
}
const deviceTypes = { __proto__: null, cpu: 0, cuda: 1, meta: 14, privateuseone: 20 };
function deviceOf(value, where) {
  if (value instanceof Device) return value;
  const found = typeof value === 'string' ? /^([a-z]+)(?::(\d+))?$/.exec(value) : null;
  const type = found ? deviceTypes[found[1]] : undefined;
  if (type === undefined) throw new TypeError(`${where}: expected a device, as 'cpu' or 'cuda:0', got ${String(value)}`);
  return new Device(value, type, found[2] === undefined ? -1 : Number(found[2]));
}

function isOptions(value) {
  if (value === null || typeof value !== 'object') return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
// Names of dtypes and devices stand for them.
function named(options, where) {
  let changed = options;
  for (const [key, convert] of [['dtype', dtypeOf], ['device', deviceOf]]) {
    if (typeof options[key] === 'string') changed = { ...changed, [key]: convert(options[key], where) };
  }
  return changed;
}
function call(name, args) {
  const last = args[args.length - 1];
  if (!isOptions(last)) return native.call(name, args, undefined);
  return native.call(name, args.slice(0, -1), named(last, name));
}

const exported = {
  Tensor, ScriptModule, Float, Complex, DType, Device, Tuple,
  version: native.version,
  tuple: (...items) => Tuple.from(items),
  device: (name) => deviceOf(name, 'device'),
  /** An operator by its name: `rl.call('aten::add', [a, b], {alpha: 2})`. */
  call: (name, args = [], keywords = undefined) => native.call(name, args, keywords && named(keywords, name)),
  schema: native.schema,
  operatorNames: native.operatorNames,
  tensor, compile, load: native.load, save: native.save,
  manualSeed: native.manualSeed,
  setThreads: native.threads,
  getThreads: () => native.threads(),
  noGrad, tidy,
};
Object.assign(exported, dtypes);
for (const [name, of] of Object.entries(aliases)) if (!(name in exported)) exported[name] = dtypes[of];

// ---- tensors ----

/** A tensor over a typed array's memory, or with a copy of numbers in arrays. */
function tensor(data, shape, dtype) {
  if (ArrayBuffer.isView(data) && !(data instanceof DataView)) {
    if (shape !== undefined && !Array.isArray(shape)) throw new TypeError(`tensor: expected a shape, an array of whole numbers, got a ${typeof shape}`);
    const of = dtype === undefined ? undefined : dtypeOf(dtype, 'tensor');
    const length = of ? data.byteLength / SIZES[of.text] : data.length;
    const made = native.borrow(data, shape ?? [length], of?.parts[1]);
    keep(data.buffer);
    return track(made);
  }
  if (isOptions(shape)) [shape, dtype] = [shape.shape, shape.dtype ?? dtype];
  if (shape !== undefined && !Array.isArray(shape)) [shape, dtype] = [undefined, shape];
  const sizes = [];
  for (let level = data; Array.isArray(level); level = level[0]) {
    sizes.push(level.length);
    if (sizes.length > 64) throw new RangeError('tensor: more than 64 levels of arrays, or one that holds itself');
  }
  const flat = [];
  flatten(data, sizes, 0, flat);
  const guess = flat.every((v) => typeof v === 'boolean') && flat.length ? 'bool'
    : flat.every((v) => typeof v === 'bigint' || Number.isSafeInteger(v)) && flat.length ? 'int64' : 'float32';
  const of = dtype === undefined ? dtypes[guess] : dtypeOf(dtype, 'tensor');
  const direct = { __proto__: null, float32: Float32Array, int32: Int32Array, float64: Float64Array, int16: Int16Array, int8: Int8Array }[of.text];
  let memory, stored = of;
  if (direct) memory = direct.from(flat, Number);
  else if (flat.every((v) => typeof v === 'bigint' || Number.isSafeInteger(v))) [memory, stored] = [BigInt64Array.from(flat, BigInt), dtypes.int64];
  else [memory, stored] = [Float64Array.from(flat, Number), dtypes.float64];
  const made = native.borrow(memory, sizes, stored.parts[1]);
  const whole = shape === undefined ? made : native.call('reshape', [made, shape], undefined);
  return track(native.call('_to_copy', [whole], { dtype: of }));
}
function flatten(data, sizes, level, out) {
  if (level === sizes.length) {
    if (typeof data !== 'number' && typeof data !== 'bigint' && typeof data !== 'boolean') {
      throw new TypeError(`tensor: expected numbers in arrays of one length, or a typed array, got ${Array.isArray(data) ? 'an array' : String(data)}`);
    }
    out.push(data);
    return;
  }
  if (!Array.isArray(data) || data.length !== sizes[level]) {
    throw new RangeError(`tensor: expected arrays of one length: ${sizes[level]} items at level ${level + 1}, got ${Array.isArray(data) ? data.length : String(data)}`);
  }
  for (const item of data) flatten(item, sizes, level + 1, out);
}

// A buffer that is transferred to another thread is gone here, while tensors are over its memory.
let markAsUntransferable;
function keep(buffer) {
  markAsUntransferable ??= require('worker_threads').markAsUntransferable;
  markAsUntransferable(buffer);
}

const ARRAYS = {
  __proto__: null,
  uint8: Uint8Array, bool: Uint8Array, int8: Int8Array, int16: Int16Array, int32: Int32Array, int64: BigInt64Array,
  uint16: Uint16Array, uint32: Uint32Array, uint64: BigUint64Array, float32: Float32Array, float64: Float64Array,
  float16: Uint16Array, bfloat16: Uint16Array, complex64: Float32Array, complex128: Float64Array,
};
const SIZES = { __proto__: null, complex64: 8, complex128: 16 };
for (const [name, array] of Object.entries(ARRAYS)) SIZES[name] ??= array.BYTES_PER_ELEMENT;

const arrays = new WeakMap();
const own = {
  get shape() { return native.shape(this); },
  get dtype() { return dtypes[native.dtype(this)]; },
  get device() { return native.device(this); },
  /** A typed array over the tensor's memory: the CPU's, contiguous. */
  get data() {
    const known = arrays.get(this);
    if (known) return native.shape(this), known;
    const name = native.dtype(this), array = ARRAYS[name];
    if (!array) throw new TypeError(`data: JavaScript has no typed array for ${name}; t.to('float32') has one`);
    const made = new array(native.data(this));
    arrays.set(this, made); // which holds the memory, not this object
    return made;
  },
  get requiresGrad() { return native.requiresGrad(this); },
  set requiresGrad(on) { native.requiresGrad(this, Boolean(on)); },
  get grad() { return native.grad(this); },
  backward(gradient) { native.backward(this, gradient); },
  /** Frees the memory now, where no other tensor has it. */
  dispose() { native.dispose(this); },
  /** Another dtype, another device, or both: t.to('float64'), t.to({device: 'cuda'}). */
  to(what) {
    if (!isOptions(what)) what = typeof what === 'string' && !dtypes[aliases[what] ?? what] ? { device: what } : { dtype: what };
    return track(native.call('_to_copy', [this], named({ ...what, ...(what.dtype === undefined ? {} : { dtype: dtypeOf(what.dtype, 'to') }) }, 'to')));
  },
  /** Numbers in arrays of arrays; int64 beyond 2^53 as BigInt. */
  toArray() {
    const dense = native.call('contiguous', [this], undefined);
    let name = dense.dtype.text, values = dense;
    if (name === 'float16' || name === 'bfloat16') [values, name] = [dense.to('float32'), 'float32'];
    let flat = Array.from(values.data);
    if (name === 'bool') flat = flat.map(Boolean);
    if (name === 'int64') flat = flat.map((v) => (Number.isSafeInteger(Number(v)) ? Number(v) : v));
    if (name.startsWith('complex')) flat = flat.filter((_, i) => i % 2 === 0).map((re, i) => new Complex(re, values.data[2 * i + 1]));
    const shape = this.shape;
    for (let level = shape.length - 1; level > 0; level--) {
      const size = shape[level], groups = [];
      const count = shape.slice(0, level).reduce((a, b) => a * b, 1);
      for (let i = 0; i < count; i++) groups.push(flat.slice(i * size, (i + 1) * size));
      flat = groups;
    }
    return shape.length ? flat : flat[0];
  },
  item() { return native.call('item', [this], undefined); },
  /** The tensors along the first dimension: for (const row of t). */
  *[Symbol.iterator]() {
    const shape = this.shape;
    if (!shape.length) throw new TypeError('iteration over a 0-d tensor; t.item() is its number');
    for (let i = 0; i < shape[0]; i++) yield this.select(0, i);
  },
  /** The numbers, as C++ prints them; console.log shows type and size. */
  toString() { return native.text(this); },
  [Symbol.for('nodejs.util.inspect.custom')]() {
    try {
      const device = native.device(this);
      return `Tensor(${native.dtype(this)}, [${native.shape(this).join(', ')}]${device === 'cpu' ? '' : `, ${device}`})`;
    } catch {
      return 'Tensor(disposed)';
    }
  },
};
if (Symbol.dispose) own[Symbol.dispose] = own.dispose;
Object.defineProperties(Tensor.prototype, hidden(own));

function hidden(members) {
  const all = Object.getOwnPropertyDescriptors(members);
  for (const key of Reflect.ownKeys(all)) all[key].enumerable = false;
  return all;
}

// ---- operators: each that the library has, as a function, and those of a tensor as its methods ----

const creation = new Set(['ones', 'zeros', 'rand', 'randn', 'empty', 'full', 'eye', 'arange', 'linspace', 'randint', 'randperm']);
for (const full of native.operatorNames()) {
  const [, namespace, name] = /^(\w+)::(\w+)/.exec(full) ?? [];
  if (namespace !== 'aten' || name in exported) continue;
  if (creation.has(name)) {
    // rl.ones([2, 3], true): whether a gradient is wanted.
    exported[name] = (...args) => {
      const last = args[args.length - 1];
      if (typeof last !== 'boolean') return track(call(name, args));
      const made = call(name, args.slice(0, -1));
      if (last) native.requiresGrad(made, true);
      return track(made);
    };
  } else {
    exported[name] = (...args) => track(call(name, args));
  }
  if (!(name in Tensor.prototype)) {
    Object.defineProperty(Tensor.prototype, name, {
      configurable: true, writable: true, enumerable: false,
      value(...args) { return track(call(name, [this, ...args])); },
    });
  }
}

// ---- script modules ----

function Module(from, { mapLocation } = {}) {
  if (typeof from !== 'string' && !(from instanceof Uint8Array)) throw new TypeError(`ScriptModule: expected a path or a Buffer, got a ${from === null ? 'null' : typeof from}`);
  return native.loadModule(from, mapLocation);
}
Module.prototype = ScriptModule.prototype;
Object.defineProperty(Module, 'name', { value: 'ScriptModule' });
Object.defineProperty(ScriptModule.prototype, 'constructor', { value: Module, writable: true, configurable: true });
exported.ScriptModule = Module;

/** The functions of a script text, as the methods of a module. */
function compile(source) { return native.compile(source); }

// JavaScript has one kind of number and of array; what a method's schema wants to be a float or a tuple becomes one. A type's text gives a
// function that converts, or null where there is nothing to do.
function converterOf(type) {
  type = type.trim();
  if (type.endsWith('?')) {
    const inner = converterOf(type.slice(0, -1));
    return inner && ((v) => (v === null || v === undefined ? v : inner(v)));
  }
  if (type.endsWith('[]')) {
    const inner = converterOf(type.slice(0, -2));
    return inner && ((v) => (Array.isArray(v) ? v.map(inner) : v));
  }
  if (type === 'float') return (v) => (typeof v === 'number' ? new Float(v) : v);
  if (type.startsWith('(')) {
    const items = split(type.slice(1, -1)).map(converterOf);
    return (v) => (Array.isArray(v) ? Tuple.from(v, (item, i) => (items[i] ? items[i](item) : item)) : v);
  }
  const dict = /^Dict\((\w+), (.*)\)$/.exec(type);
  const inner = dict && converterOf(dict[2]);
  if (!inner) return null;
  return (v) => {
    if (v instanceof Map) return new Map(Array.from(v, ([key, item]) => [key, inner(item)]));
    return isOptions(v) ? Object.fromEntries(Object.entries(v).map(([key, item]) => [key, inner(item)])) : v;
  };
}
// At the commas that are in no brackets.
function split(text) {
  const parts = [];
  let depth = 0, start = 0;
  for (let i = 0; i <= text.length; i++) {
    if (i === text.length || (text[i] === ',' && depth === 0)) {
      if (text.slice(start, i).trim()) parts.push(text.slice(start, i));
      start = i + 1;
    } else if ('([{'.includes(text[i])) depth++;
    else if (')]}'.includes(text[i])) depth--;
  }
  return parts;
}
const converters = new WeakMap(); // of a module: method -> [name, function] of the arguments that want one, by place
function prepared(module, method, args, keywords) {
  let known = converters.get(module);
  if (!known) converters.set(module, (known = new Map()));
  let wanted = known.get(method);
  if (wanted === undefined) {
    const schema = native.methodSchema(module, method);
    const list = split(/^[^(]*\((.*)\) -> /s.exec(schema)?.[1] ?? '').filter((p) => p.trim() !== '*').slice(1);
    wanted = list.map((p) => {
      const [, type, name] = /^\s*(.*) (\w+)(?:=.*)?$/s.exec(p) ?? [];
      return [name, type ? converterOf(type) : null];
    });
    if (wanted.every(([, f]) => f === null)) wanted = null;
    known.set(method, wanted);
  }
  if (wanted === null || !Array.isArray(args)) return [args, keywords];
  const byName = Object.fromEntries(wanted);
  return [
    args.map((v, i) => (wanted[i]?.[1] ? wanted[i][1](v) : v)),
    keywords && Object.fromEntries(Object.entries(keywords).map(([k, v]) => [k, byName[k] ? byName[k](v) : v])),
  ];
}

const running = new WeakMap(); // the last call of each module on another thread
Object.defineProperties(ScriptModule.prototype, hidden({
  forward(...args) { return this.call('forward', args); },
  /** On a thread of Node's pool; calls of one module run one after the other. */
  forwardAsync(...args) { return this.callAsync('forward', args); },
  call(method, args = [], keywords = undefined) { return track(native.method(this, method, ...prepared(this, method, args, keywords))); },
  callAsync(method, args = [], keywords = undefined) {
    const before = running.get(this);
    const start = () => native.methodAsync(this, method, ...prepared(this, method, args, keywords));
    const result = before ? before.then(start, start) : new Promise((resolve) => resolve(start()));
    running.set(this, result);
    const forget = () => { if (running.get(this) === result) running.delete(this); };
    result.then(forget, forget);
    return result.then((value) => value); // its own: an error that nobody takes is still told
  },
  methods() { return native.methods(this); },
  schema(method = 'forward') { return native.methodSchema(this, method); },
  get(name) { return native.get(this, name); },
  set(name, value) { native.set(this, name, value); },
  /** Parameters and buffers by their names, a Map. */
  state() { return native.state(this); },
  train(on = true) { native.train(this, Boolean(on)); return this; },
  eval() { native.train(this, false); return this; },
  to({ dtype, device } = {}) {
    const at = device === undefined ? [0, -1, -1] : deviceOf(device, 'to').parts;
    native.to(this, dtype === undefined ? -1 : dtypeOf(dtype, 'to').parts[1], at[1], at[2]);
    return this;
  },
  save(path) { native.save(this, path); },
  dispose() {
    if (running.has(this)) throw new Error('a forwardAsync of this module is running: await it before dispose()');
    native.dispose(this);
  },
  [Symbol.for('nodejs.util.inspect.custom')]() {
    try {
      return `ScriptModule(${native.methods(this).join(', ')})`;
    } catch (error) {
      return /disposed/.test(error.message) ? 'ScriptModule(disposed)' : 'ScriptModule(running)';
    }
  },
}));

// ---- scopes ----

/** Runs a function without recording gradients. */
function noGrad(f) {
  const before = native.gradMode(false);
  try {
    return f();
  } finally {
    native.gradMode(before);
  }
}

let scope = null;
function track(value) {
  if (scope !== null) visit(value, (t) => scope.add(t));
  return value;
}
function visit(value, f) {
  if (value instanceof Tensor) f(value);
  else if (Array.isArray(value)) for (const item of value) visit(item, f);
  else if (value instanceof Map) for (const item of value.values()) visit(item, f);
  else if (isOptions(value)) for (const item of Object.values(value)) visit(item, f);
}
/**
 * Runs a function and frees at once the tensors made in it, but those that it returns. Without this their memory is free when
 * JavaScript's collector has found them, which in a loop that never waits may be late.
 */
function tidy(f) {
  const outer = scope, mine = new Set();
  scope = mine;
  let result;
  try {
    result = f();
    if (typeof result?.then === 'function') throw new TypeError('tidy: the function must not be async');
    visit(result, (t) => { mine.delete(t); outer?.add(t); });
    return result;
  } finally {
    scope = outer;
    for (const t of mine) t.dispose();
  }
}

module.exports = exported;
