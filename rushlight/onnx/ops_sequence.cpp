// Sequences, optionals and strings.
#include "rushlight/onnx/operators.h"

namespace rushlight::onnx {

const char* const kSequenceText = R"py(
def SequenceEmpty_11(dtype: Any = 1):
    if dtype == 8:
        s: List[Tuple[Tensor, List[str]]] = []
        return s
    t: List[Tensor] = []
    return t

def SequenceConstruct_11(inputs: Any):
    return list(inputs)

def SequenceAt_11(input_sequence: Any, position):
    return input_sequence[ints(position)[0]]

def SequenceInsert_11(input_sequence: Any, tensor: Any, position: Any = None):
    y = input_sequence[:]
    n = len(y)
    p = n
    if position is not None:
        p = ints(position)[0]
    if p < 0:
        p = p + n
    if p < 0 or p > n:
        raise ValueError("SequenceInsert: the position is outside of the sequence")
    return y[:p] + [tensor] + y[p:]

def SequenceErase_11(input_sequence: Any, position: Any = None):
    n = len(input_sequence)
    p = n - 1
    if position is not None:
        p = ints(position)[0]
    if p < 0:
        p = p + n
    if p < 0 or p >= n:
        raise ValueError("SequenceErase: the position is outside of the sequence")
    return input_sequence[:p] + input_sequence[p + 1:]

def SequenceLength_11(input_sequence: Any):
    return torch.tensor(len(input_sequence))

def ConcatFromSequence_11(input_sequence: Any, axis: int, new_axis: Any = 0):
    if new_axis == 1:
        return torch.stack(input_sequence, axis)
    return torch.cat(input_sequence, axis)

def SplitToSequence_11(input, split: Any = None, axis: Any = 0, keepdims: Any = 1):
    if split is None:
        if keepdims == 1:
            return list(torch.split(input, 1, axis))
        return list(torch.unbind(input, axis))
    s = ints(split)
    if rank(split) == 0:
        return list(torch.split(input, s[0], axis))
    return list(torch.split_with_sizes(input, s, axis))

def Optional_15(input: Any = None, type: Any = None):
    return input

def OptionalHasElement_15(input: Any = None):
    if input is None:
        return torch.tensor(False)
    return torch.tensor(True)

def OptionalGetElement_15(input: Any):
    return torch.jit._unwrap_optional(input)

def _texts(x: Tuple[Tensor, List[str]]):
    codes, table = x
    out: List[str] = []
    for i in ints(codes):
        out.append(table[i])
    return out

def _strings(texts: List[str], shape: List[int]):
    return torch.arange(len(texts)).reshape(shape), texts

def StringConcat_20(X: Any, Y: Any):
    a, b = torch.broadcast_tensors(X[0], Y[0])
    left = ints(a)
    right = ints(b)
    out: List[str] = []
    for i in range(len(left)):
        out.append(X[1][left[i]] + Y[1][right[i]])
    return _strings(out, a.shape)

def _split_once(s: str, delimiter: str, limit: int):
    out: List[str] = []
    if delimiter == "":
        parts = s.split()
        if limit >= 0 and len(parts) > limit:
            rest = s.strip()
            for k in range(limit):
                out.append(parts[k])
                rest = rest[len(parts[k]):].strip()
            out.append(rest)
            return out
        return parts
    if s == "":
        return out
    return s.split(delimiter, limit)

def StringSplit_20(X: Any, delimiter: Any = "", maxsplit: Any = -1, outputs: Any = 2):
    limit: int = maxsplit
    rows: List[List[str]] = []
    counts: List[int] = []
    most = 0
    for s in _texts(X):
        parts = _split_once(s, delimiter, limit)
        rows.append(parts)
        counts.append(len(parts))
        most = max(most, len(parts))
    out: List[str] = []
    for row in rows:
        for k in range(most):
            out.append(row[k] if k < len(row) else "")
    shape = X[0].shape
    return _strings(out, shape + [most]), torch.tensor(counts, dtype=torch.int64).reshape(shape)

def StringNormalizer_10(X: Any, case_change_action: Any = "NONE", is_case_sensitive: Any = 0, locale: Any = None, stopwords: Any = None):
    stop: List[str] = []
    if stopwords is not None:
        for w in stopwords:
            stop.append(w if is_case_sensitive == 1 else w.lower())
    out: List[str] = []
    for s in _texts(X):
        if (s if is_case_sensitive == 1 else s.lower()) not in stop:
            if case_change_action == "LOWER":
                out.append(s.lower())
            elif case_change_action == "UPPER":
                out.append(s.upper())
            else:
                out.append(s)
    if len(out) == 0:
        out.append("")
    n = len(out)
    if X[0].dim() == 2:
        return _strings(out, [1, n])
    return _strings(out, [n])

def RegexFullMatch_20(X: Any, pattern: str):
    return ops.onnx.full_match(_texts(X), pattern).reshape(X[0].shape)

def TfIdfVectorizer_9(X: Any, max_gram_length: int, max_skip_count: int, min_gram_length: int, mode: str, ngram_counts: Any, ngram_indexes: Any, pool_int64s: Any = None, pool_strings: Any = None, weights: Any = None):
    codes = X if isinstance(X, Tensor) else X[0]
    pool: List[int] = []
    if isinstance(X, Tensor):
        if pool_int64s is None:
            unsupported("strings in the pool for numbers")
        else:
            pool = pool_int64s
    else:
        places: Dict[str, int] = {}
        words: List[str] = pool_strings
        for w in words:
            if w not in places:
                places[w] = len(places)
            pool.append(places[w])
        codes = torch.tensor([places[s] if s in places else -1 for s in _texts(X)], dtype=torch.int64).reshape(X[0].shape)
    y = ops.onnx.tfidf(codes.to(torch.int64), max_gram_length, max_skip_count, min_gram_length, ngram_counts, ngram_indexes, pool)
    if mode == "TF":
        return y
    w = torch.ones([y.size(-1)])
    if weights is not None:
        w = torch.zeros([y.size(-1)]).index_put([torch.tensor(ngram_indexes)], torch.tensor(weights, dtype=torch.float32))
    if mode == "IDF":
        return (y > 0).to(torch.float32) * w
    return y * w
)py";

}  // namespace rushlight::onnx
