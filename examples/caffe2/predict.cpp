// Runs init_net.pb and predict_net.pb, as programs of Caffe2's time do: on a picture of ones, or of the given sizes.
//   predict init_net.pb predict_net.pb [N C H W]
// Prints the five best places of the first output and their values; a single path is a database of predictor_exporter (minidb).
#include <caffe2/core/init.h>
#include <caffe2/core/predictor.h>
#include <caffe2/utils/proto_utils.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>

using caffe2::NetDef;
using caffe2::Predictor;
using caffe2::TensorCPU;

static int run(int argc, char** argv) {
  std::unique_ptr<Predictor> predictor;
  int used = 3;
  if (argc == 2) {
    predictor = std::make_unique<Predictor>("minidb", argv[1]);
    used = 2;
  } else {
    NetDef init_net, predict_net;
    CAFFE_ENFORCE(caffe2::ReadProtoFromFile(argv[1], &init_net), argv[1]);
    CAFFE_ENFORCE(caffe2::ReadProtoFromFile(argv[2], &predict_net), argv[2]);
    predictor = std::make_unique<Predictor>(init_net, predict_net);
  }
  std::vector<int64_t> dims;
  for (int k = used; k < argc; k++) dims.push_back(std::atoll(argv[k]));
  if (dims.empty()) dims = {1, 3, 12, 12};

  int64_t size = std::accumulate(dims.begin(), dims.end(), int64_t(1), std::multiplies<>());
  TensorCPU input(dims, std::vector<float>(size_t(size), 1.0f), nullptr);
  Predictor::TensorVector inputs{&input}, outputs;
  predictor->run(inputs, &outputs);

  const TensorCPU& best = *outputs[0];
  const float* values = best.data<float>();
  std::vector<int> order(size_t(best.size()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return values[a] > values[b]; });
  for (size_t k = 0; k < std::min<size_t>(order.size(), 5); k++)
    std::printf("%d %.6f\n", order[k], double(values[order[k]]));
  return 0;
}

int main(int argc, char** argv) {
  caffe2::GlobalInit(&argc, &argv);
  if (argc < 2) return std::fprintf(stderr, "usage: predict init_net.pb predict_net.pb [N C H W]\n"), 2;
  try {
    return run(argc, argv);
  } catch (const std::exception& e) { return std::fprintf(stderr, "predict: %s\n", e.what()), 1; }
}
