// The domains ai.onnx.ml and ai.onnx.preview.training.
#include "rushlight/onnx/operators.h"

namespace rushlight::onnx {

const char* const kMlText = R"py(
def ArrayFeatureExtractor(X, Y):
    at = Y.reshape(-1).to(torch.int64)
    if X.dim() == 1:
        return X.index_select(0, at).unsqueeze(0)
    return X.index_select(X.dim() - 1, at)

def Binarizer(X, threshold: Any = 0.0):
    return (X > threshold).to(X.dtype)

def Scaler(X, offset: Any = None, scale: Any = None):
    y = X.to(torch.float32)
    if offset is not None:
        y = y - torch.tensor(offset, dtype=torch.float32)
    if scale is not None:
        y = y * torch.tensor(scale, dtype=torch.float32)
    return y

def Normalizer(X, norm: Any = "MAX"):
    x = X.to(torch.float32)
    if norm == "MAX":
        n = torch.amax(x, [-1], True)
    elif norm == "L1":
        n = torch.sum(torch.abs(x), [-1], True)
    else:
        n = torch.sqrt(torch.sum(x * x, [-1], True))
    return torch.where(n == 0, x, x / n)

def Imputer(X, imputed_value_floats: Any = None, imputed_value_int64s: Any = None, replaced_value_float: Any = 0.0, replaced_value_int64: Any = 0):
    if imputed_value_floats is not None:
        fill = torch.tensor(imputed_value_floats, dtype=X.dtype)
        old: float = replaced_value_float
        gone = torch.isnan(X) if old != old else X == old
        return torch.where(gone, fill, X)
    return torch.where(X == replaced_value_int64, torch.tensor(imputed_value_int64s, dtype=X.dtype), X)

def FeatureVectorizer(inputs: Any, inputdimensions: Any = None):
    parts: List[Tensor] = []
    for x in inputs:
        y = x.to(torch.float32)
        parts.append(y.unsqueeze(0) if x.dim() == 1 else y.reshape([x.size(0), -1]))
    return torch.cat(parts, 1)

def OneHotEncoder(X: Any, cats_int64s: Any = None, cats_strings: Any = None, zeros: Any = 1):
    if isinstance(X, Tensor):
        hot = X.to(torch.int64).unsqueeze(-1) == torch.tensor(cats_int64s)
    else:
        names: List[str] = cats_strings
        places: List[int] = []
        for s in _texts(X):
            at = -1
            for k in range(len(names)):
                if names[k] == s:
                    at = k
            places.append(at)
        hot = torch.tensor(places, dtype=torch.int64).reshape(X[0].shape).unsqueeze(-1) == torch.arange(len(names))
    if zeros == 0:
        if not bool(torch.any(hot, -1).all()):
            raise ValueError("OneHotEncoder: a value is no category")
    return hot.to(torch.float32)

def CategoryMapper(X: Any, cats_int64s: Any, cats_strings: Any, default_int64: Any = -1, default_string: Any = "_Unused"):
    numbers: List[int] = cats_int64s
    names: List[str] = cats_strings
    if isinstance(X, Tensor):
        texts: List[str] = []
        for v in ints(X):
            t: str = default_string
            for k in range(len(numbers)):
                if numbers[k] == v:
                    t = names[k]
            texts.append(t)
        return _strings(texts, X.shape)
    out: List[int] = []
    for s in _texts(X):
        n: int = default_int64
        for k in range(len(names)):
            if names[k] == s:
                n = numbers[k]
        out.append(n)
    return torch.tensor(out, dtype=torch.int64).reshape(X[0].shape)

def _key_places(X: Any, keys_strings: Any, keys_numbers: Any):
    # For each element the place of the last key that it equals, or -1.
    if isinstance(X, Tensor):
        keys = keys_numbers.to(torch.float64)
        x = X.to(torch.float64).reshape(-1, 1)
        same = (x == keys) | (torch.isnan(x) & torch.isnan(keys))
        n = keys.numel()
        at = torch.amax(torch.where(same, torch.arange(n).unsqueeze(0), torch.full([1, 1], -1)), 1)
        return at.reshape(X.shape)
    places: Dict[str, int] = {}
    names: List[str] = keys_strings
    for k in range(len(names)):
        places[names[k]] = k
    out: List[int] = []
    for s in _texts(X):
        out.append(places[s] if s in places else -1)
    return torch.tensor(out, dtype=torch.int64).reshape(X[0].shape)

def LabelEncoder(X: Any, classes_strings: Any, default_int64: Any = -1, default_string: Any = "_Unused"):
    names: List[str] = classes_strings
    if isinstance(X, Tensor):
        n = len(names)
        codes = torch.where((X < 0) | (X >= n), torch.full_like(X, n), X)
        return codes, names + [default_string]
    at = _key_places(X, classes_strings, None)
    return torch.where(at < 0, torch.full_like(at, default_int64), at)

def LabelEncoder_2(X: Any, default_float: Any = -0.0, default_int64: Any = -1, default_string: Any = "_Unused", default_tensor: Any = None, keys_floats: Any = None, keys_int64s: Any = None, keys_strings: Any = None, keys_tensor: Any = None, values_floats: Any = None, values_int64s: Any = None, values_strings: Any = None, values_tensor: Any = None):
    if keys_floats is not None:
        at = _key_places(X, None, torch.tensor(keys_floats, dtype=torch.float64))
    elif keys_int64s is not None:
        at = _key_places(X, None, torch.tensor(keys_int64s))
    elif keys_strings is not None:
        at = _key_places(X, keys_strings, None)
    elif isinstance(X, Tensor):
        at = _key_places(X, None, keys_tensor)
    else:
        at = _key_places(X, _texts(keys_tensor), None)
    if values_floats is not None:
        table = torch.tensor(values_floats, dtype=torch.float32)
        return torch.where(at < 0, torch.full([], default_float), table[at.clamp_min(0)])
    if values_int64s is not None:
        return torch.where(at < 0, torch.full([], default_int64), torch.tensor(values_int64s)[at.clamp_min(0)])
    if values_strings is not None:
        return torch.where(at < 0, torch.full_like(at, len(values_strings)), at), values_strings + [default_string]
    if isinstance(values_tensor, Tensor):
        picked = values_tensor.reshape(-1)[at.clamp_min(0)]
        if default_tensor is not None:
            return torch.where(at < 0, default_tensor.reshape([]).to(values_tensor.dtype), picked)
        f = floating(values_tensor)
        return torch.where(at < 0, torch.full([], -0.0 if f else -1).to(values_tensor.dtype), picked)
    texts = _texts(values_tensor)
    last = "_Unused"
    if default_tensor is not None:
        last = _texts(default_tensor)[0]
    return torch.where(at < 0, torch.full_like(at, len(texts)), at), texts + [last]

def _post(scores, transform: Any):
    if transform == "SOFTMAX" or transform == 1:
        return torch.softmax(scores, -1)
    if transform == "LOGISTIC" or transform == 2:
        return torch.sigmoid(scores)
    if transform == "SOFTMAX_ZERO" or transform == 3:
        zero = scores == 0
        e = torch.where(zero, torch.zeros_like(scores), torch.softmax(torch.where(zero, torch.full_like(scores, -inf), scores), -1))
        return torch.where(torch.isnan(e), torch.zeros_like(e), e)
    if transform == "PROBIT" or transform == 4:
        return 1.41421356 * torch.erfinv(2 * scores - 1)
    return scores

def _labelled(at, classlabels_ints: Any, classlabels_strings: Any):
    if classlabels_strings is not None:
        return at, classlabels_strings
    if classlabels_ints is not None:
        return torch.tensor(classlabels_ints)[at]
    return at

def LinearRegressor(X, coefficients: Any = None, intercepts: Any = None, post_transform: Any = "NONE", targets: Any = 1):
    w = torch.tensor(coefficients, dtype=torch.float32).reshape([targets, -1])
    y = torch.matmul(X.to(torch.float32), w.t())
    if intercepts is not None:
        y = y + torch.tensor(intercepts, dtype=torch.float32)
    return _post(y, post_transform)

def LinearClassifier(X, coefficients: Any, classlabels_ints: Any = None, classlabels_strings: Any = None, intercepts: Any = None, multi_class: Any = 0, post_transform: Any = "NONE", outputs: Any = 2):
    x = X.to(torch.float32)
    n = x.size(-1)
    w = torch.tensor(coefficients, dtype=torch.float32).reshape([-1, n])
    y = torch.matmul(x.reshape([-1, n]), w.t())
    if intercepts is not None:
        y = y + torch.tensor(intercepts, dtype=torch.float32)
    labels = length(classlabels_ints, classlabels_strings)
    if y.size(1) == 1 and labels == 2:
        at = (y[:, 0] > 0).to(torch.int64)
        if post_transform == "LOGISTIC":
            p = torch.sigmoid(y)
            return _labelled(at, classlabels_ints, classlabels_strings), torch.cat([1 - p, p], 1)
        return _labelled(at, classlabels_ints, classlabels_strings), _post(torch.cat([-y, y], 1), post_transform)
    return _labelled(torch.argmax(y, 1), classlabels_ints, classlabels_strings), _post(y, post_transform)

def _kernel(x, sv, kernel_type: Any, kernel_params: Any):
    gamma = 0.0
    coef0 = 0.0
    degree = 0.0
    if kernel_params is not None:
        gamma = kernel_params[0]
        coef0 = kernel_params[1]
        degree = kernel_params[2]
    if kernel_type == "RBF":
        d = x.unsqueeze(1) - sv.unsqueeze(0)
        return torch.exp(-gamma * torch.sum(d * d, 2))
    k = torch.matmul(x, sv.t())
    if kernel_type == "POLY":
        return torch.pow(gamma * k + coef0, degree)
    if kernel_type == "SIGMOID":
        return torch.tanh(gamma * k + coef0)
    return k

def SVMRegressor(X, coefficients: Any = None, kernel_params: Any = None, kernel_type: Any = "LINEAR", n_supports: Any = 0, one_class: Any = 0, post_transform: Any = "NONE", rho: Any = None, support_vectors: Any = None):
    x = X.to(torch.float32)
    r = 0.0
    if rho is not None:
        r = rho[0]
    c = torch.tensor(coefficients, dtype=torch.float32)
    if n_supports > 0:
        k = _kernel(x, torch.tensor(support_vectors, dtype=torch.float32).reshape([n_supports, -1]), kernel_type, kernel_params)
        y = torch.matmul(k, c.unsqueeze(1)) + r
    else:
        y = _kernel(x, c.unsqueeze(0), kernel_type, kernel_params) + r
    if one_class == 1:
        y = torch.where(y > 0, torch.ones_like(y), -torch.ones_like(y))
    return _post(y, post_transform)

def SVMClassifier(X, classlabels_ints: Any = None, classlabels_strings: Any = None, coefficients: Any = None, kernel_params: Any = None, kernel_type: Any = "LINEAR", post_transform: Any = "NONE", prob_a: Any = None, prob_b: Any = None, rho: Any = None, support_vectors: Any = None, vectors_per_class: Any = None, outputs: Any = 2):
    x = X.to(torch.float32)
    n = length(classlabels_ints, classlabels_strings)
    if vectors_per_class is None:
        w = torch.tensor(coefficients, dtype=torch.float32).reshape([n, -1])
        y = _kernel(x, w, kernel_type, kernel_params) + torch.tensor(rho, dtype=torch.float32)[0]
        return _labelled(torch.argmax(y, 1), classlabels_ints, classlabels_strings), _post(y, post_transform)
    counts: List[int] = vectors_per_class
    total = 0
    starts: List[int] = []
    for c in counts:
        starts.append(total)
        total = total + c
    sv = torch.tensor(support_vectors, dtype=torch.float32).reshape([total, -1])
    k = _kernel(x, sv, kernel_type, kernel_params)
    w = torch.tensor(coefficients, dtype=torch.float32).reshape([-1, total])
    r = torch.tensor(rho, dtype=torch.float32)
    # One decision for each pair of classes, by the coefficients that each has against the other.
    pairs: List[Tensor] = []
    votes = torch.zeros([x.size(0), n], dtype=torch.float32)
    for i in range(n):
        for j in range(i + 1, n):
            a = torch.matmul(k.narrow(1, starts[i], counts[i]), w[j - 1].narrow(0, starts[i], counts[i]))
            b = torch.matmul(k.narrow(1, starts[j], counts[j]), w[i].narrow(0, starts[j], counts[j]))
            d = a + b + r[len(pairs)]
            pairs.append(d)
            one = (d > 0).to(torch.float32)
            votes[:, i] += one
            votes[:, j] += 1 - one
    scores = torch.stack(pairs, 1)
    if prob_a is not None:
        pa = torch.tensor(prob_a, dtype=torch.float32)
        pb = torch.tensor(prob_b, dtype=torch.float32)
        p = ops.onnx.pairwise_probabilities(1 - 1 / (1 + torch.exp(scores * pa + pb)), n)
        return _labelled(torch.argmax(p, 1), classlabels_ints, classlabels_strings), p
    at = torch.argmax(votes, 1)
    if n == 2:
        at = (scores[:, 0] <= 0).to(torch.int64)
        return _labelled(at, classlabels_ints, classlabels_strings), _post(torch.cat([scores, -scores], 1), post_transform)
    return _labelled(at, classlabels_ints, classlabels_strings), _post(scores, post_transform)

def TreeEnsemble_5(X, leaf_targetids: Any, leaf_weights: Any, nodes_falseleafs: Any, nodes_falsenodeids: Any, nodes_featureids: Any, nodes_modes: Any, nodes_splits: Any, nodes_trueleafs: Any, nodes_truenodeids: Any, tree_roots: Any, aggregate_function: Any = 1, membership_values: Any = None, n_targets: Any = 1, nodes_hitrates: Any = None, nodes_missing_value_tracks_true: Any = None, post_transform: Any = 0):
    on_true = children(nodes_truenodeids, nodes_trueleafs)
    on_false = children(nodes_falsenodeids, nodes_falseleafs)
    members = torch.zeros([0], dtype=torch.float64)
    if membership_values is not None:
        members = membership_values.to(torch.float64)
    missing: List[int] = []
    if nodes_missing_value_tracks_true is not None:
        missing = nodes_missing_value_tracks_true
    y = ops.onnx.trees(X, tree_roots, nodes_featureids, ints(nodes_modes), nodes_splits.to(torch.float64), on_true, on_false, missing, members, one_each(leaf_targetids), leaf_targetids, leaf_weights.to(torch.float64), n_targets, aggregate_function)
    return _post(y.to(X.dtype), post_transform)

def _one_of(values: Any, tensor: Any):
    if tensor is not None:
        return tensor.to(torch.float64)
    if values is None:
        return torch.zeros([0], dtype=torch.float64)
    return torch.tensor(values, dtype=torch.float32).to(torch.float64)

def _old_trees(X, treeids: Any, nodeids: Any, features: Any, modes: Any, splits, truenodes: Any, falsenodes: Any, missing_true: Any, vote_trees: Any, vote_nodes: Any, vote_targets: Any, vote_weights, targets: int, aggregate: int):
    roots, kinds, on_true, on_false, first, order, picked = old_trees(treeids, nodeids, modes, truenodes, falsenodes, vote_trees, vote_nodes, vote_targets)
    missing: List[int] = []
    if missing_true is not None:
        missing = missing_true
    w = vote_weights.index_select(0, torch.tensor(order, dtype=torch.int64))
    return ops.onnx.trees(X, roots, features, kinds, splits, on_true, on_false, missing, torch.zeros([0], dtype=torch.float64), first, picked, w, targets, aggregate)

def TreeEnsembleRegressor(X, aggregate_function: Any = "SUM", base_values: Any = None, base_values_as_tensor: Any = None, n_targets: Any = 1, nodes_falsenodeids: Any = None, nodes_featureids: Any = None, nodes_hitrates: Any = None, nodes_hitrates_as_tensor: Any = None, nodes_missing_value_tracks_true: Any = None, nodes_modes: Any = None, nodes_nodeids: Any = None, nodes_treeids: Any = None, nodes_truenodeids: Any = None, nodes_values: Any = None, nodes_values_as_tensor: Any = None, post_transform: Any = "NONE", target_ids: Any = None, target_nodeids: Any = None, target_treeids: Any = None, target_weights: Any = None, target_weights_as_tensor: Any = None):
    a = 1
    if aggregate_function == "AVERAGE":
        a = 0
    elif aggregate_function == "MIN":
        a = 2
    elif aggregate_function == "MAX":
        a = 3
    y = _old_trees(X, nodes_treeids, nodes_nodeids, nodes_featureids, nodes_modes, _one_of(nodes_values, nodes_values_as_tensor), nodes_truenodeids, nodes_falsenodeids, nodes_missing_value_tracks_true, target_treeids, target_nodeids, target_ids, _one_of(target_weights, target_weights_as_tensor), n_targets, a)
    base = _one_of(base_values, base_values_as_tensor)
    if base.numel() > 0:
        y = y + base
    return _post(y.to(torch.float64 if base_values_as_tensor is not None or target_weights_as_tensor is not None else torch.float32), post_transform)

def TreeEnsembleClassifier(X, base_values: Any = None, base_values_as_tensor: Any = None, class_ids: Any = None, class_nodeids: Any = None, class_treeids: Any = None, class_weights: Any = None, class_weights_as_tensor: Any = None, classlabels_int64s: Any = None, classlabels_strings: Any = None, nodes_falsenodeids: Any = None, nodes_featureids: Any = None, nodes_hitrates: Any = None, nodes_hitrates_as_tensor: Any = None, nodes_missing_value_tracks_true: Any = None, nodes_modes: Any = None, nodes_nodeids: Any = None, nodes_treeids: Any = None, nodes_truenodeids: Any = None, nodes_values: Any = None, nodes_values_as_tensor: Any = None, post_transform: Any = "NONE", outputs: Any = 2):
    n = length(classlabels_int64s, classlabels_strings)
    weights = _one_of(class_weights, class_weights_as_tensor)
    y = _old_trees(X, nodes_treeids, nodes_nodeids, nodes_featureids, nodes_modes, _one_of(nodes_values, nodes_values_as_tensor), nodes_truenodeids, nodes_falsenodeids, nodes_missing_value_tracks_true, class_treeids, class_nodeids, class_ids, weights, n, 1)
    base = _one_of(base_values, base_values_as_tensor)
    d = torch.float32
    if n == 2 and only_one(class_ids):
        s = torch.sum(y, 1, True).to(d)
        if base.numel() == 1:
            s = s + base.to(d)
        if base.numel() == 2:
            s = s + base[1].to(d)
        positive = bool((weights >= 0).all())
        at = (s[:, 0] > (0.5 if positive else 0.0)).to(torch.int64)
        labels = _labelled(at, classlabels_int64s, classlabels_strings)
        if post_transform == "LOGISTIC":
            p = torch.sigmoid(s)
            return labels, torch.cat([1 - p, p], 1)
        if positive:
            return labels, _post(torch.cat([1 - s, s], 1), post_transform)
        return labels, _post(torch.cat([-s, s], 1), post_transform)
    if base.numel() > 0:
        y = y + base
    y = y.to(d)
    return _labelled(torch.argmax(y, 1), classlabels_int64s, classlabels_strings), _post(y, post_transform)

def ZipMap(X, classlabels_int64s: Any = None, classlabels_strings: Any = None):
    x = X if X.dim() == 2 else X.unsqueeze(0)
    if classlabels_strings is not None:
        names: List[str] = classlabels_strings
        out: List[Dict[str, float]] = []
        for r in range(x.size(0)):
            row: Dict[str, float] = {}
            for k in range(len(names)):
                row[names[k]] = float(x[r, k])
            out.append(row)
        return out
    else:
        keys: List[int] = classlabels_int64s
        all: List[Dict[int, float]] = []
        for r in range(x.size(0)):
            one: Dict[int, float] = {}
            for k in range(len(keys)):
                one[keys[k]] = float(x[r, k])
            all.append(one)
        return all

def DictVectorizer(X: Any, int64_vocabulary: Any = None, string_vocabulary: Any = None):
    if string_vocabulary is not None:
        return torch.tensor([float(X[k]) if k in X else 0.0 for k in string_vocabulary], dtype=torch.float32).unsqueeze(0)
    return torch.tensor([float(X[k]) if k in X else 0.0 for k in int64_vocabulary], dtype=torch.float32).unsqueeze(0)

def CastMap(X: Any, cast_to: Any = "TO_FLOAT", map_form: Any = "DENSE", max_map: Any = 1):
    keys = list(X.keys())
    keys.sort()
    values: List[float] = []
    if map_form == "SPARSE":
        for k in range(max_map):
            values.append(float(X[k]) if k in X else 0.0)
    else:
        for k in keys:
            values.append(float(X[k]))
    y = torch.tensor(values, dtype=torch.float32).unsqueeze(0)
    if cast_to == "TO_INT64":
        return y.to(torch.int64)
    if cast_to == "TO_STRING":
        unsupported("cast_to TO_STRING")
    return y
)py";

const char* const kTrainingText = R"py(
def _leaf(x):
    return x.detach().requires_grad_()

def _gradients(y, xs: List[Tensor]):
    found = torch.grad([y.sum()], xs, None, None, False, True)
    out: List[Tensor] = []
    for i in range(len(xs)):
        g = found[i]
        if g is None:
            out.append(torch.zeros_like(xs[i]))
        else:
            out.append(g)
    return out

def _count(inputs: Any, each: int):
    return (len(inputs) - 2) // each

def Adagrad(inputs: Any, decay_factor: Any = 0.0, epsilon: Any = 0.0, norm_coefficient: Any = 0.0, outputs: Any = 2):
    r = inputs[0] / (1 + inputs[1].to(inputs[0].dtype) * decay_factor)
    n = outputs // 2
    x: List[Tensor] = []
    h: List[Tensor] = []
    all = list(inputs)
    for i in range(n):
        w = all[2 + i]
        g = norm_coefficient * w + all[2 + n + i]
        s = all[2 + 2 * n + i] + g * g
        h.append(s)
        x.append(w - r * g / (torch.sqrt(s) + epsilon))
    return x + h

def Adam(inputs: Any, alpha: Any = 0.9, beta: Any = 0.999, epsilon: Any = 0.0, norm_coefficient: Any = 0.0, norm_coefficient_post: Any = 0.0, outputs: Any = 3):
    all = list(inputs)
    t = all[1].to(torch.float32)
    r = all[0]
    if int(all[1]) > 0:
        r = r * torch.sqrt(1 - torch.pow(beta, t)) / (1 - torch.pow(alpha, t))
    n = outputs // 3
    x: List[Tensor] = []
    v: List[Tensor] = []
    h: List[Tensor] = []
    for i in range(n):
        w = all[2 + i]
        g = norm_coefficient * w + all[2 + n + i]
        a = alpha * all[2 + 2 * n + i] + (1 - alpha) * g
        b = beta * all[2 + 3 * n + i] + (1 - beta) * g * g
        v.append(a)
        h.append(b)
        x.append((1 - norm_coefficient_post) * (w - r * a / (torch.sqrt(b) + epsilon)))
    return x + v + h

def Momentum(inputs: Any, alpha: Any, beta: Any, mode: Any, norm_coefficient: Any, outputs: Any = 2):
    all = list(inputs)
    r = all[0]
    first = int(all[1]) == 0
    n = outputs // 2
    x: List[Tensor] = []
    v: List[Tensor] = []
    for i in range(n):
        w = all[2 + i]
        g = norm_coefficient * w + all[2 + n + i]
        m = alpha * all[2 + 2 * n + i] + (1.0 if first else beta) * g
        v.append(m)
        if mode == "nesterov":
            x.append(w - r * (g + alpha * m))
        else:
            x.append(w - r * m)
    return x + v
)py";

}  // namespace rushlight::onnx
