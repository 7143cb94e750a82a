// Run by tests/python/test_node.py: RUSHLIGHT_NODE is the package's folder, RUSHLIGHT_ARCHIVE an archive of Python's.
'use strict';
const test = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { inspect } = require('node:util');
const { spawnSync } = require('node:child_process');
const { Worker } = require('node:worker_threads');

const folder = process.env.RUSHLIGHT_NODE;
const rl = require(folder);
const archive = process.env.RUSHLIGHT_ARCHIVE;

test('tensors print their type and size', () => {
  assert.strictEqual(inspect(rl.ones([1, 3], false)), 'Tensor(float32, [1, 3])');
  assert.strictEqual(inspect(rl.zeros([], { dtype: 'int64' })), 'Tensor(int64, [])');
  assert.match(String(rl.ones([2])), /1/);
});

test('operators are functions and methods', () => {
  const x = rl.tensor([[1, 2], [3, 4.5]]);
  assert.deepStrictEqual(rl.add(x, 1).toArray(), [[2, 3], [4, 5.5]]);
  assert.deepStrictEqual(x.add(x, { alpha: 2 }).toArray(), [[3, 6], [9, 13.5]]);
  assert.deepStrictEqual(x.sum({ dim: [1], keepdim: true }).shape, [2, 1]);
  assert.deepStrictEqual(rl.cat([x, x], 1).shape, [2, 4]);
  assert.strictEqual(x.sum({ dtype: rl.float64 }).dtype, rl.float64);
  assert.ok(Math.abs(rl.softmax(x, 1).sum().item() - 2) < 1e-6);
  const [values, indices] = rl.max(x, 1);
  assert.deepStrictEqual([values.toArray(), indices.toArray()], [[2, 4.5], [1, 1]]);
  assert.strictEqual(rl.call('aten::mul.Tensor', [x, x]).toArray()[1][1], 20.25);
  assert.match(rl.schema('relu'), /relu\(Tensor self\) -> Tensor/);
});

test('numbers of all kinds', () => {
  assert.strictEqual(rl.tensor([1n << 60n]).item(), 1n << 60n);
  assert.deepStrictEqual(rl.tensor([true, false]).toArray(), [true, false]);
  assert.deepStrictEqual(rl.tensor([1.5, 2], 'float16').toArray(), [1.5, 2]);
  assert.deepStrictEqual(rl.tensor([3, 4], { dtype: 'int32', shape: [2, 1] }).toArray(), [[3], [4]]);
  assert.strictEqual(rl.add(rl.ones([1]), new rl.Float(2)).item(), 3);
  assert.strictEqual(rl.tensor(NaN).item(), NaN);
});

test('gradients', () => {
  const w = rl.ones([3], true);
  assert.strictEqual(w.requiresGrad, true);
  assert.strictEqual(w.grad, null);
  w.mul(w).sum().backward();
  assert.deepStrictEqual(w.grad.toArray(), [2, 2, 2]);
  assert.strictEqual(rl.noGrad(() => w.mul(2)).requiresGrad, false);
});

test('typed arrays share memory in both directions', () => {
  const array = new Float32Array([1, 2, 3, 4]);
  const t = rl.tensor(array, [2, 2]);
  t.add_(1);
  assert.deepStrictEqual([...array], [2, 3, 4, 5]);
  array[0] = 9;
  assert.strictEqual(t.toArray()[0][0], 9);
  assert.strictEqual(t.data, t.data);
  const part = rl.tensor(array.subarray(2));
  part.zero_();
  assert.deepStrictEqual([...array], [9, 3, 0, 0]);
  let data;
  {
    const made = rl.ones([1000]).mul(3);
    data = made.data;
    made.dispose();
  }
  global.gc();
  assert.strictEqual(data[999], 3);
  for (const kind of [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Int32Array, Float64Array]) {
    assert.deepStrictEqual([...rl.tensor(kind.of(1, 2)).data], [1, 2]);
  }
  assert.deepStrictEqual([...rl.tensor(BigInt64Array.of(5n)).data], [5n]);
  assert.deepStrictEqual([...rl.tensor(Uint16Array.of(0x3c00), [1], rl.float16).toArray()], [1]);
  assert.deepStrictEqual(rl.zeros([0, 3]).data.length, 0);
});

test('memory of an array lives as long as any tensor over it', async () => {
  let view = rl.tensor(new Float32Array(1000).fill(7)).view([10, 100]).select(0, 5);
  global.gc();
  await new Promise((done) => setTimeout(done, 20));
  for (let i = 0; i < 100; i++) new Float32Array(1000).fill(1);
  assert.strictEqual(view.sum().item(), 700);
});

test('values of scripts there and back', async () => {
  const m = rl.compile(`
def forward(x: Tensor, d: Dict[str, Tensor], l: List[int], t: Tuple[int, str], f: float, o: Optional[float] = None):
    return {"a": x + d["a"], "b": x * f}, (l, t, [True], None, o, 2 ** 60)

def nested(d: Dict[str, List[Tuple[float, str]]], e: List[float]):
    return d, e

def count(d: Dict[int, str]):
    return d
`);
  const x = rl.ones([2]);
  const arguments_ = [x, { a: rl.ones([2]) }, [1, 2], [3, 'é\u0000ß'], 2];
  for (const [d, rest] of [m.forward(...arguments_), await m.forwardAsync(...arguments_)]) {
    assert.deepStrictEqual([...d.keys()], ['a', 'b']);
    assert.deepStrictEqual(d.get('a').toArray(), [2, 2]);
    assert.deepStrictEqual([rest[0], [...rest[1]], rest[2], rest[3], rest[4]], [[1, 2], [3, 'é\u0000ß'], [true], null, null]);
    assert.strictEqual(rest[5], 2n ** 60n);
    assert.ok(rest instanceof rl.Tuple);
  }
  assert.strictEqual(m.call('forward', arguments_, { o: 4 })[1][4], 4);
  const [d, e] = m.call('nested', [{ k: [[1, 'a']] }, [1, 2.5]]);
  assert.deepStrictEqual([[...d.get('k')[0]], e], [[1, 'a'], [1, 2.5]]);
  assert.deepStrictEqual(m.call('count', [new Map([[1, 'a']])]), new Map([[1, 'a']]));
  assert.deepStrictEqual(m.methods().sort(), ['count', 'forward', 'nested']);
  assert.match(m.schema(), /^forward\(/);
});

test('an archive of Python', async () => {
  const m = new rl.ScriptModule(archive).eval();
  const x = rl.ones([2, 4]);
  const y = m.forward(x);
  assert.deepStrictEqual(y.shape, [2, 3]);
  assert.ok(rl.allclose((await m.forwardAsync(x)), y));
  assert.ok(rl.allclose(new rl.ScriptModule(fs.readFileSync(archive)).forward(x), y));
  assert.ok(rl.allclose(new rl.ScriptModule(archive, { mapLocation: 'cpu' }).forward(x), y));
  assert.throws(() => new rl.ScriptModule(fs.readFileSync(archive), { mapLocation: 'nowhere' }), /nowhere/);
  assert.deepStrictEqual([...m.state().keys()], ['weight', 'bias']);
  m.set('bias', m.get('bias').add(1));
  assert.ok(rl.allclose(m.forward(x), y.add(1)));
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'rushlight-')), 'saved.pt');
  m.save(file);
  assert.ok(rl.allclose(new rl.ScriptModule(file).forward(x), y.add(1)));
  rl.save({ a: x, n: [1, 'b'] }, file);
  assert.deepStrictEqual(rl.load(file).get('n'), [1, 'b']);
  assert.strictEqual(m.to({ dtype: 'float64' }).forward(x.to('float64')).dtype, rl.float64);
});

test('calls on other threads leave the loop free and come in order', async () => {
  const m = rl.compile(`
def forward(x: Tensor, n: int):
    for i in range(n):
        x = x @ x / x.norm()
    return x, n
`);
  const x = rl.rand([300, 300]);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  const calls = [m.forwardAsync(x, 200), m.forwardAsync(x, 1), m.forwardAsync(x, 2)];
  await new Promise((done) => setImmediate(done));
  assert.throws(() => m.forward(x, 1), /forwardAsync of this module is running/);
  assert.throws(() => m.dispose(), /running/);
  assert.throws(() => m.set('a', 1), /running/);
  const order = [];
  calls.forEach((c) => c.then((r) => order.push(r[1])));
  await Promise.all(calls);
  clearInterval(timer);
  assert.deepStrictEqual(order, [200, 1, 2]);
  assert.ok(ticks > 0);
  await assert.rejects(m.forwardAsync(1, 2), /Expected a value of type 'Tensor'/);
  assert.strictEqual((await m.forwardAsync(x, 3))[1], 3);
  m.dispose();
  assert.throws(() => m.forward(x, 1), /this module was disposed/);
  await assert.rejects(m.forwardAsync(x, 1), /this module was disposed/);
});

const x = rl.ones([2, 3]);
const cycle = [];
cycle.push(cycle);
const key = { toString: () => 'k' };
const BAD = [
  ['a wrong type', () => rl.add(x, 'a'), /argument other/],
  ['too few', () => rl.add(), /argument self is missing/],
  ['shapes', () => rl.matmul(x, x), /shapes|size/],
  ['no such keyword', () => rl.add(x, x, { beta: 1 }), /beta/],
  ['a symbol', () => rl.add(x, Symbol('a')), /got a symbol/],
  ['a function', () => rl.add(x, () => 1), /got a function/],
  ['a typed array', () => rl.add(x, new Float32Array(3)), /rl.tensor/],
  ['a cycle', () => rl.compile('def forward(x):\n    return x').forward(cycle), /holds itself/],
  ['a cycle for a tensor', () => rl.tensor(cycle), /holds itself|levels/],
  ['a large BigInt', () => rl.add(x, 1n << 70n), /64 bits/],
  ['new Tensor', () => new rl.Tensor(), /not made with new/],
  ['a tensor of no class', () => rl.Tensor.prototype.sum.call({}), /argument self/],
  ['a getter of no tensor', () => rl.Tensor.prototype.shape, /expected a Tensor/],
  ['an object with a prototype', () => rl.add(Object.create(x), 1), /argument self|expected/],
  ['ragged', () => rl.tensor([[1], [2, 3]]), /one length/],
  ['words', () => rl.tensor(['a']), /expected numbers/],
  ['the length', () => rl.tensor(new Float32Array(4), [3]), /16 bytes/],
  ['a huge shape', () => rl.tensor(new Float32Array(4), [2 ** 40, 2 ** 40]), /bytes/],
  ['a negative size', () => rl.tensor(new Float32Array(4), [-4]), /shape\[0\]: expected a whole number >= 0/],
  ['half a size', () => rl.tensor(new Float32Array(4), [1.5]), /whole number/],
  ['a shape that is none', () => rl.tensor(new Float32Array(4), 'a'), /expected a shape/],
  ['a dtype that is none', () => x.to('flaot32'), /flaot32/],
  ['a device that is none', () => rl.ones([1], { device: 'gpu' }), /expected a device/],
  ['shared memory', () => rl.tensor(new Float32Array(new SharedArrayBuffer(16))), /SharedArrayBuffer/],
  ['memory that may go', () => rl.tensor(new Float32Array(new ArrayBuffer(16, { maxByteLength: 64 }))), /resizable/],
  ['a null in a path', () => rl.load('/dev/null\0.pt'), /null characters/],
  ['a null in the path of a module', () => new rl.ScriptModule('a\0b.pt'), /null characters/],
  ['unaligned', () => rl.tensor(new Uint8Array(8).subarray(1, 5), [1], rl.float32).add(1), /align|bytes/],
  ['data out of line', () => x.t().data, /contiguous/],
  ['no file', () => new rl.ScriptModule('/nowhere/a.pt'), /No such file/],
  ['no archive', () => new rl.ScriptModule(Buffer.from('PK no')), /zip|archive|damaged|cut|end/i],
  ['no path', () => new rl.ScriptModule(5), /expected a path or a Buffer/],
  ['a script with a mistake', () => rl.compile('def forward(x):\n    return y'), /y/],
  ['no method', () => rl.compile('def f(x):\n    return x').forward(x), /forward/],
  ['no operator', () => rl.call('aten::nothing', []), /nothing/],
  ['no arguments', () => rl.call('aten::relu', 5), /expected an array/],
  ['an array without memory', () => rl.call('aten::relu', new Array(2 ** 32 - 1)), /items|expected/],
  ['a throwing getter', () => rl.compile('def forward(x):\n    return x').forward({ get a() { throw new Error('mine'); } }), /mine/],
  ['a key that is none', () => rl.compile('def forward(x: Dict[str, int]):\n    return x').forward(new Map([[key, 1]])), /key|dict/i],
  ['the seed', () => rl.manualSeed('a'), /expected a number/],
  ['threads', () => rl.setThreads(-1), /thread/],
];
for (const [name, f, text] of BAD) test(`bad input: ${name}`, () => assert.throws(f, text));

test('bad input: used after dispose', async () => {
  const t = rl.ones([2]), view = t.view([2, 1]);
  t.dispose();
  t.dispose();
  assert.strictEqual(inspect(t), 'Tensor(disposed)');
  for (const f of [() => t.add(1), () => t.shape, () => t.data, () => rl.add(x, t), () => t.backward(), () => String(t)]) {
    assert.throws(f, /this tensor was disposed/);
  }
  assert.deepStrictEqual(view.toArray(), [[1], [1]]);
});

test('bad input: a detached buffer', () => {
  const array = new Float32Array(4);
  const t = rl.tensor(array);
  // Not detached: such a buffer is copied instead, or the transfer refused.
  try { structuredClone(array, { transfer: [array.buffer] }); } catch { /* later versions */ }
  assert.strictEqual(t.sum().item(), 0);
  const gone = new Float32Array(4);
  structuredClone(gone, { transfer: [gone.buffer] });
  assert.throws(() => rl.tensor(gone, [4]), /detached|bytes/);
  if (ArrayBuffer.prototype.transfer) {
    array.buffer.transfer();
    assert.throws(() => t.sum(), /detached/);
  }
});

test('10^5 calls leave memory flat, also where nothing waits', async () => {
  const m = rl.compile('def forward(x):\n    return x + 1, {"a": x}');
  const t = rl.ones([16 * 1024]);
  const used = () => { global.gc(); global.gc(); return process.memoryUsage().rss / 2 ** 20; };
  const borrowed = () => rl.tensor(new Float32Array(4096)).add(1);
  const calls = (n) => { for (let i = 0; i < n; i++) m.forward(t); };
  const arrays = async (n) => {
    for (let i = 0; i < n; i++) {
      borrowed().data[0] = 1;
      // Node frees memory behind an ArrayBuffer of its addons when the program waits.
      if (i % 100 === 0) await new Promise((done) => setImmediate(done));
    }
  };
  calls(20000);
  for (let i = 0; i < 1000; i++) borrowed();
  await arrays(2000);
  const before = used();
  calls(80000);
  for (let i = 0; i < 10000; i++) borrowed();
  await arrays(10000);
  const after = used();
  assert.ok(after - before < 40, `${before} MB before, ${after} after`);
});

test('tidy frees what it does not return', () => {
  let lost;
  const kept = rl.tidy(() => { lost = rl.ones([3]); return { a: [lost.add(1)] }; });
  assert.throws(() => lost.shape, /disposed/);
  assert.deepStrictEqual(kept.a[0].toArray(), [2, 2, 2]);
  assert.throws(() => rl.tidy(async () => 1), /async/);
});

function program(text) {
  return spawnSync(process.execPath, ['-e', `const rl = require(${JSON.stringify(folder)});\n${text}`], { encoding: 'utf8', timeout: 120000 });
}
const SLOW = 'const m = rl.compile("def forward(x: Tensor, n: int):\\n    for i in range(n):\\n        x = x @ x / x.norm()\\n    return x");';
test('a program may end while a call runs', () => {
  for (const end of ['process.exit(5)', 'setTimeout(() => process.exit(5), 30)']) {
    const done = program(`${SLOW} m.forwardAsync(rl.rand([256, 256]), 300); ${end}`);
    assert.deepStrictEqual([done.status, done.signal, done.stderr], [5, null, '']);
  }
  const thrown = program(`${SLOW} m.forwardAsync(rl.rand([256, 256]), 100); setTimeout(() => { throw new Error('mine'); }, 20);`);
  assert.strictEqual(thrown.status, 1);
  assert.match(thrown.stderr, /mine/);
  const rejected = program(`${SLOW} m.forwardAsync(1, 1);`);
  assert.strictEqual(rejected.status, 1);
  assert.match(rejected.stderr, /Expected a value of type 'Tensor'/);
  assert.strictEqual(program('rl.ones([2]); rl.tensor(new Float32Array(2))').status, 0);
});

test('worker threads have a library of their own, and may end in a call', async () => {
  const text = `const rl = require(${JSON.stringify(folder)}); const { parentPort } = require('worker_threads');\n`;
  const run = (code) => new Promise((done, fail) => {
    const w = new Worker(text + code, { eval: true });
    w.on('message', (m) => (m === 'end' ? w.terminate() : done(m)));
    w.on('error', fail);
    w.on('exit', (status) => done(`exit ${status}`));
  });
  const results = await Promise.all([1, 2, 3].map((n) => run(`parentPort.postMessage(rl.full([3], ${n}).sum().item())`)));
  assert.deepStrictEqual(results, [3, 6, 9]);
  assert.match(await run(`${SLOW} m.forwardAsync(rl.rand([256, 256]), 100).catch(() => 0); parentPort.postMessage('end'); setInterval(() => 0, 10)`), /exit/);
});

test('a tensor is iterated along its first dimension', () => {
  const x = rl.tensor([[1, 2], [3, 4]], 'float32');
  assert.deepStrictEqual([...x].map((row) => row.toArray()), [[1, 2], [3, 4]]);
  const [first] = x;
  first.data[0] = 9;
  assert.strictEqual(x.data[0], 9);
  assert.deepStrictEqual([...rl.zeros([0, 3])], []);
  assert.throws(() => [...rl.tensor(5)], { name: 'TypeError', message: /0-d tensor; t\.item\(\)/ });
});

test('errors say what to do with tensors on meta and files of ONNX', () => {
  assert.throws(() => rl.ones([2]).to({ device: 'meta' }).data, { name: 'TypeError', message: /no values; rl\.zeros\(t\.shape\)/ });
  assert.throws(() => new rl.ScriptModule(Buffer.from('\x08\x07\x12\x07pytorch')), /rushlight convert FILE OUT\.pt/);
});

test('each declared name is there', () => {
  const types = fs.readFileSync(path.join(folder, 'index.d.ts'), 'utf8');
  const part = (name) => types.slice(types.indexOf(`interface ${name} {`)).split('\n  }\n')[0];
  const names = (text) => new Set([...text.matchAll(/^ {4}(?:readonly )?(\w+)[(:]/gm)].map((m) => m[1]));
  const missing = [...names(part('Library'))].filter((n) => !(n in rl));
  const methods = [...names(part('Tensor'))].filter((n) => !(n in rl.Tensor.prototype));
  assert.deepStrictEqual([missing, methods], [[], []]);
  assert.ok(names(part('Library')).size > 900);
});
