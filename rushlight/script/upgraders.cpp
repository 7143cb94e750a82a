// What operators meant in the version that wrote an archive, as TorchScript that is put where they are called.
#include <map>
#include <mutex>

#include "rushlight/script/lowering.h"
#include "rushlight/script/parser.h"

namespace rushlight::script {
namespace {

using TK = Type::Kind;

struct Upgrader {
  const char* op;
  int before;  // the version of archives since which the operator means what it means today
  const char* text;
};

// Integer division of tensors rounded towards zero, and full() took no dtype from its value. Before 1.13 floor_divide rounded towards
// zero too, under a number that did not change then: kTruncates stands for it.
constexpr int kTruncates = -1;
constexpr Upgrader kUpgraders[] = {
    {"div", 4, R"(
def div(self: Any, other: Any):
    if isinstance(self, Tensor):
        if isinstance(other, Tensor):
            if self.is_floating_point() or other.is_floating_point() or self.is_complex() or other.is_complex():
                return torch.div(self, other)
            return torch.div(self, other, rounding_mode="trunc")
        if isinstance(other, float):
            return torch.div(self, other)
        if self.is_floating_point() or self.is_complex():
            return torch.div(self, other)
        return torch.div(self, other, rounding_mode="trunc")
    return torch.div(self, other)
)"},
    {"div_", 4, R"(
def div_(self: Any, other: Any):
    if isinstance(other, float) or self.is_floating_point() or self.is_complex():
        return torch.div_(self, other)
    if isinstance(other, Tensor):
        if other.is_floating_point():
            return torch.div_(self, other)
    return torch.div_(self, other, rounding_mode="trunc")
)"},
    {"full", 5, R"(
def full(size: Any, fill_value: Any, dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: Any = None):
    if dtype is None:
        return torch.full(size, float(fill_value), dtype=dtype, layout=layout, device=device, pin_memory=pin_memory)
    return torch.full(size, fill_value, dtype=dtype, layout=layout, device=device, pin_memory=pin_memory)
)"},
    {"floor_divide", kTruncates, R"(
def floor_divide(self: Any, other: Any):
    return torch.div(self, other, rounding_mode="trunc")
)"},
    {"floor_divide_", kTruncates, R"(
def floor_divide_(self: Any, other: Any):
    return torch.div_(self, other, rounding_mode="trunc")
)"},
};

class TorchNames final : public Resolver {
 public:
  SugaredPtr resolve(const std::string& name, const Range&) override {
    return name == "functional" ? std::make_shared<Namespace>("ops." + name) : nullptr;
  }
};

// Parsed once. The lock is held for nothing that may ask for another.
SugaredPtr function_of(const std::string& text) {
  static const auto names = std::make_shared<TorchNames>();
  static std::mutex lock;
  static auto& parsed = *new std::map<std::string, StmtPtr>;
  std::lock_guard guard(lock);
  StmtPtr& def = parsed[text];
  if (!def) def = parse_module(std::make_shared<Source>(Source{text, "<operator of an older version>"})).at(0);
  return std::make_shared<InlineFunction>(def, names.get(), names);
}

// A call of upsample_bilinear2d(x, [4, 4], False, 2.0, 2.0): today's scripts pass the factors as one list, and no size beside them.
std::string sized_upsample(const std::string& name, const std::vector<CallArg>& args) {
  size_t digit = name.find_first_of("123");
  if (!name.starts_with("upsample_") && !name.starts_with("_upsample_")) return {};
  if (digit == std::string::npos || name.find("lanczos") != std::string::npos) return {};
  bool corners = name.find("nearest") == std::string::npos;
  size_t dims = size_t(name[digit] - '0'), base = 2 + corners;
  auto is_list = [](const CallArg& a) {
    if (auto* c = dynamic_cast<ConstantValue*>(a.value.get()))
      return c->constant.is_none() || c->constant.is_any_list();
    auto* v = dynamic_cast<SimpleValue*>(a.value.get());
    if (!v) return true;  // a list or a tuple that is written there
    const TypePtr& t = v->value->type();
    return t->is(TK::List) || t->is(TK::None) || (t->is(TK::Optional) && t->element()->is(TK::List));
  };
  for (const CallArg& a : args)
    if (a.name == "scale_factors") return {};
  if (args.size() == base + 1 && is_list(args[base])) return {};
  static const char* suffixes[4][3] = {{}, {"scales"}, {"scales_h", "scales_w"}, {"scales_d", "scales_h", "scales_w"}};
  std::string head = "def " + name + "(self: Any, output_size: Any" + (corners ? ", align_corners: Any" : ""), list,
              none;
  for (size_t i = 0; i < dims; i++) {
    std::string s = suffixes[dims][i];
    head += ", " + s + ": Any = None";
    list += (i ? ", " : "") + s;
    none += (i ? " or " : "") + s + " is None";
  }
  std::string call = "torch." + name + "(self, ", tail = corners ? ", align_corners" : "";
  return head + "):\n    if " + none + ":\n        return " + call + "output_size" + tail + ", None)\n    return " +
         call + "None" + tail + ", [" + list + "])\n";
}

// Functions of Python that were operators up to 1.4. Sizes decided what was read, as recompute_scale_factor=True says today.
std::string old_interpolate(const std::string& name) {
  if (name == "__interpolate")
    return R"(
def interpolate(input: Any, size: Any = None, scale_factor: Any = None, mode: Any = "nearest", align_corners: Any = None, recompute_scale_factor: Any = None):
    return functional.interpolate(input, size, scale_factor, mode, align_corners, scale_factor is not None)
)";
  if (name == "__upsample")
    return R"(
def upsample(input: Any, size: Any = None, scale_factor: Any = None, mode: Any = "nearest", align_corners: Any = None):
    return functional.interpolate(input, size, scale_factor, mode, align_corners, scale_factor is not None)
)";
  if (name == "__upsample_nearest")
    return R"(
def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None):
    return functional.interpolate(input, size, scale_factor, "nearest", None, scale_factor is not None)
)";
  if (name == "__upsample_bilinear")
    return R"(
def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None):
    return functional.interpolate(input, size, scale_factor, "bilinear", True, scale_factor is not None)
)";
  return {};
}

// Operators that PyTorch's archives call, and that consist of others here.
constexpr std::pair<std::string_view, const char*> kComposed[] = {
    {"numpy_T", R"(
def numpy_T(self: Tensor):
    return self.permute([self.dim() - 1 - i for i in range(self.dim())])
)"},
    {"mT", "def mT(self: Tensor):\n    return self.mT\n"},
    {"mH", "def mH(self: Tensor):\n    return self.mH\n"},
    {"matrix_H", "def matrix_H(self: Tensor):\n    return self.H\n"},
    {"cpu", "def cpu(self: Tensor):\n    return self.cpu()\n"},
    {"data", "def data(self: Tensor):\n    return self.detach()\n"},
    {"as_tensor", R"(
def as_tensor(data: Tensor, dtype: Any = None, device: Any = None):
    if dtype is None:
        if device is None:
            return data
        return data.to(device)
    if device is None:
        return data.to(dtype)
    return data.to(device=device, dtype=dtype)
)"},
    {"_convolution_mode", R"(
def _convolution_mode(input: Tensor, weight: Tensor, bias: Optional[Tensor], stride: List[int], padding: str, dilation: List[int], groups: int):
    if weight.dim() == 3:
        return torch.conv1d(input, weight, bias, stride, padding, dilation, groups)
    if weight.dim() == 5:
        return torch.conv3d(input, weight, bias, stride, padding, dilation, groups)
    return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)
)"},
    {"pad_sequence", R"(
def pad_sequence(sequences: List[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"):
    longest = 0
    for s in sequences:
        longest = max(longest, s.size(0))
    padded: List[Tensor] = []
    for s in sequences:
        filler = s.new_full([longest - s.size(0)] + s.size()[1:], padding_value)
        padded.append(torch.cat([filler, s] if padding_side == "left" else [s, filler]))
    return torch.stack(padded, 0 if batch_first else 1)
)"},
    {"broadcast_shapes", R"(
def broadcast_shapes(a: List[int], b: List[int]):
    if len(a) < len(b):
        a, b = b, a
    out = a[:]
    for i in range(len(b)):
        at = len(a) - len(b) + i
        if a[at] == 1:
            out[at] = b[i]
        elif b[i] != 1 and b[i] != a[at]:
            raise RuntimeError("Shape mismatch: objects cannot be broadcast to a single shape")
    return out
)"},
    // The fast paths of attention: masks are true where nothing is to be looked at; of type 0 for all batches, of type 1 for all queries.
    {"_native_multi_head_attention", R"(
def _native_multi_head_attention(query: Tensor, key: Tensor, value: Tensor, embed_dim: int, num_head: int, qkv_weight: Tensor, qkv_bias: Tensor, proj_weight: Tensor, proj_bias: Tensor, mask: Optional[Tensor] = None, need_weights: bool = True, average_attn_weights: bool = True, mask_type: Optional[int] = None):
    parts: List[Tensor] = []
    for i, x in enumerate([query, key, value]):
        part = slice(i * embed_dim, (i + 1) * embed_dim)
        y = torch.linear(x, qkv_weight[part], qkv_bias[part])
        parts.append(y.view(x.size(0), x.size(1), num_head, embed_dim // num_head).transpose(1, 2))
    weights = torch.matmul(parts[0] / math.sqrt(embed_dim // num_head), parts[1].transpose(-2, -1))
    if mask is not None:
        hidden = mask.to(torch.bool)
        if mask_type is not None:
            if mask_type == 1:
                hidden = hidden.view(key.size(0), 1, 1, key.size(1))
        weights = torch.softmax(weights.masked_fill(hidden, -inf), -1).masked_fill(hidden, 0.0)
    else:
        weights = torch.softmax(weights, -1)
    out = torch.matmul(weights, parts[2]).transpose(1, 2).reshape(query.size(0), query.size(1), embed_dim)
    out = torch.linear(out, proj_weight, proj_bias)
    if not need_weights:
        weights = weights.new_zeros([0])
    elif average_attn_weights:
        weights = weights.mean(1)
    return out, weights
)"},
    {"_transformer_encoder_layer_fwd", R"(
def _transformer_encoder_layer_fwd(src: Tensor, embed_dim: int, num_heads: int, qkv_weight: Tensor, qkv_bias: Tensor, proj_weight: Tensor, proj_bias: Tensor, use_gelu: bool, norm_first: bool, eps: float, norm_weight_1: Tensor, norm_bias_1: Tensor, norm_weight_2: Tensor, norm_bias_2: Tensor, ffn_weight_1: Tensor, ffn_bias_1: Tensor, ffn_weight_2: Tensor, ffn_bias_2: Tensor, mask: Optional[Tensor] = None, mask_type: Optional[int] = None):
    x = src
    if norm_first:
        x = torch.layer_norm(x, [embed_dim], norm_weight_1, norm_bias_1, eps)
    x = src + torch._native_multi_head_attention(x, x, x, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias, mask, False, True, mask_type)[0]
    if not norm_first:
        x = torch.layer_norm(x, [embed_dim], norm_weight_1, norm_bias_1, eps)
    y = x
    if norm_first:
        y = torch.layer_norm(x, [embed_dim], norm_weight_2, norm_bias_2, eps)
    y = torch.linear(y, ffn_weight_1, ffn_bias_1)
    if use_gelu:
        y = torch.gelu(y)
    else:
        y = torch.relu(y)
    x = x + torch.linear(y, ffn_weight_2, ffn_bias_2)
    if not norm_first:
        x = torch.layer_norm(x, [embed_dim], norm_weight_2, norm_bias_2, eps)
    return x
)"},
    {"_nested_tensor_from_mask", R"(
def _nested_tensor_from_mask(t: Tensor, mask: Tensor, mask_check: bool = True) -> Tensor:
    raise NotImplementedError("nested tensors are not supported: load the model with enable_nested_tensor=False, or call it without src_key_padding_mask")
    return t
)"},
    {"to_padded_tensor", R"(
def to_padded_tensor(self: Tensor, padding: float, output_size: Optional[List[int]] = None) -> Tensor:
    raise NotImplementedError("to_padded_tensor: nested tensors are not supported")
    return self
)"},
    {"_nested_tensor_from_mask_left_aligned", R"(
def left_aligned(t: Tensor, mask: Tensor):
    lengths = mask.sum(1)
    return torch.equal(mask, torch.arange(mask.size(1), device=mask.device).unsqueeze(0) < lengths.unsqueeze(1))
)"},
};

}  // namespace

SugaredPtr old_operator(const std::string& name) {
  for (const auto& [composed, text] : kComposed)
    if (name == composed) return function_of(text);
  std::string text = old_interpolate(name);
  return text.empty() ? nullptr : function_of(text);
}

SugaredPtr upgraded(const std::string& name, const std::vector<CallArg>& args, const OperatorVersion& version) {
  bool other_form = false;  // with out=, or a rounding_mode, which came with the meaning of today
  for (const CallArg& a : args) other_form |= a.name == "out" || a.name == "rounding_mode";
  for (const Upgrader& u : kUpgraders) {
    bool old = u.before == kTruncates ? version.truncates : version.number && version.number < u.before;
    if (old && name == u.op && !other_form) return function_of(u.text);
  }
  std::string text = sized_upsample(name, args);
  return text.empty() ? nullptr : function_of(text);
}

}  // namespace rushlight::script
