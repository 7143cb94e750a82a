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
