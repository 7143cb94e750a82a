// Types of the rushlight package for Node. The build writes the operators into it, from their records.

declare namespace rl {
  /** int64 that JavaScript's numbers don't hold comes as a BigInt. */
  type Int = number | bigint;
  type Real = number | Float;
  type Scalar = number | bigint | boolean | Float | Complex;
  type DTypeLike = DType | string;
  type DeviceLike = Device | string;
  type TypedArray = Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array
    | Float64Array | BigInt64Array | BigUint64Array;
  type Nested<T> = T | Nested<T>[];
  /** What a script takes: plain objects and maps are dicts, arrays are lists, or tuples where the method wants one. */
  type Value = Tensor | Scalar | string | null | undefined | DType | Device | Value[] | { [key: string]: Value } | ValueMap;
  interface ValueMap extends Map<Value, Value> {}
  /** What a script gives: dicts are maps, tuples arrays of class Tuple. */
  type Result = any;

  interface Special { readonly parts: readonly number[]; toString(): string }
  interface Float extends Special { readonly kind?: 'float' }
  interface Complex extends Special { readonly kind?: 'complex' }
  interface DType extends Special { readonly kind?: 'dtype' }
  interface Device extends Special { readonly kind?: 'device' }

  interface Tensor {
    readonly shape: number[];
    readonly dtype: DType;
    readonly device: string;
    /** Over the tensor's memory: writing to it writes to the tensor. int64 is a BigInt64Array, bool a Uint8Array, float16 a Uint16Array of its bits. */
    readonly data: TypedArray;
    requiresGrad: boolean;
    readonly grad: Tensor | null;
    backward(gradient?: Tensor): void;
    dispose(): void;
    to(what: DTypeLike | DeviceLike | { dtype?: DTypeLike; device?: DeviceLike }): Tensor;
    toArray(): any;
    item(): Scalar;
    [Symbol.iterator](): IterableIterator<Tensor>;
    toString(): string;
    //: methods
  }

  interface ScriptModule {
    forward(...args: Value[]): Result;
    forwardAsync(...args: Value[]): Promise<Result>;
    call(method: string, args?: Value[], keywords?: { [name: string]: Value }): Result;
    callAsync(method: string, args?: Value[], keywords?: { [name: string]: Value }): Promise<Result>;
    methods(): string[];
    schema(method?: string): string;
    get(attribute: string): Result;
    set(attribute: string, value: Value): void;
    state(): Map<string, Tensor>;
    train(on?: boolean): this;
    eval(): this;
    to(what: { dtype?: DTypeLike; device?: DeviceLike }): this;
    save(path: string): void;
    dispose(): void;
  }

  interface Library {
    readonly version: string;
    readonly Tensor: { readonly prototype: Tensor };
    readonly ScriptModule: { new (from: string | Uint8Array, options?: { mapLocation?: string }): ScriptModule; readonly prototype: ScriptModule };
    readonly Tuple: { new (): any[] };
    readonly Float: { new (value: number): Float };
    readonly Complex: { new (re: number, im: number): Complex };
    tensor(data: TypedArray, shape?: number[], dtype?: DTypeLike): Tensor;
    tensor(data: Nested<number | bigint | boolean>, dtype?: DTypeLike): Tensor;
    tensor(data: Nested<number | bigint | boolean>, shape: number[], dtype?: DTypeLike): Tensor;
    tensor(data: Nested<number | bigint | boolean>, options: { shape?: number[]; dtype?: DTypeLike }): Tensor;
    tuple(...items: Value[]): any;
    device(name: string): Device;
    call(name: string, args?: Value[], keywords?: { [name: string]: Value }): Result;
    schema(name: string): string;
    operatorNames(): string[];
    compile(source: string): ScriptModule;
    load(path: string): Result;
    save(value: Value | ScriptModule, path: string): void;
    manualSeed(seed: number): void;
    setThreads(count: number): number;
    getThreads(): number;
    noGrad<T>(f: () => T): T;
    tidy<T>(f: () => T): T;
    //: dtypes
    //: functions
  }
}

declare const rl: rl.Library;
export = rl;
