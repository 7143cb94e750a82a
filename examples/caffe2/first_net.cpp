// A net built, trained and run from C++: a line through points, by hand-written operators.
#include <caffe2/core/init.h>
#include <caffe2/core/operator.h>
#include <caffe2/core/workspace.h>
#include <caffe2/proto/caffe2.pb.h>
#include <caffe2/utils/proto_utils.h>

#include <cstdio>

using namespace caffe2;

static OperatorDef* add(NetDef& net, const char* type, std::vector<std::string> in, std::vector<std::string> out) {
  OperatorDef* op = net.add_op();
  op->set_type(type);
  for (const std::string& name : in) op->add_input(name);
  for (const std::string& name : out) op->add_output(name);
  return op;
}

static void fill(NetDef& net, const char* name, std::vector<int> shape, float value) {
  OperatorDef* op = add(net, "ConstantFill", {}, {name});
  op->add_arg()->CopyFrom(MakeArgument("shape", shape));
  op->add_arg()->CopyFrom(MakeArgument("value", value));
}

int main(int argc, char** argv) {
  GlobalInit(&argc, &argv);
  Workspace workspace;

  NetDef init;
  init.set_name("init");
  fill(init, "w", {1, 1}, 0), fill(init, "b", {1}, 0), fill(init, "rate", {1}, -0.5f), fill(init, "one", {1}, 1);
  CAFFE_ENFORCE(workspace.RunNetOnce(init));

  TensorCPU* x = workspace.CreateBlob("x")->GetMutable<TensorCPU>();
  TensorCPU* target = BlobGetMutableTensor(workspace.CreateBlob("target"), 0);
  x->Resize(8, 1), target->Resize(8, 1);
  for (int k = 0; k < 8; k++) {
    x->mutable_data<float>()[k] = float(k) / 4 - 1;
    target->mutable_data<float>()[k] = 3 * x->data<float>()[k] + 1;
  }

  NetDef train;
  train.set_name("train");
  add(train, "FC", {"x", "w", "b"}, {"y"});
  add(train, "SquaredL2Distance", {"y", "target"}, {"distance"});
  add(train, "AveragedLoss", {"distance"}, {"loss"});
  add(train, "ConstantFill", {"loss"}, {"loss_grad"})->add_arg()->CopyFrom(MakeArgument("value", 1.0f));
  add(train, "AveragedLossGradient", {"distance", "loss_grad"}, {"distance_grad"});
  add(train, "SquaredL2DistanceGradient", {"y", "target", "distance_grad"}, {"y_grad", "target_grad"});
  add(train, "FCGradient", {"x", "w", "y_grad"}, {"w_grad", "b_grad"});
  add(train, "WeightedSum", {"w", "one", "w_grad", "rate"}, {"w"});
  add(train, "WeightedSum", {"b", "one", "b_grad", "rate"}, {"b"});
  CAFFE_ENFORCE(workspace.CreateNet(train));
  for (int step = 0; step < 100; step++) CAFFE_ENFORCE(workspace.RunNet(train.name()));

  std::printf("w %.3f b %.3f loss %.6f\n", double(workspace.GetBlob("w")->Get<TensorCPU>().data<float>()[0]),
              double(workspace.GetBlob("b")->Get<TensorCPU>().data<float>()[0]),
              double(workspace.GetBlob("loss")->Get<TensorCPU>().data<float>()[0]));
  return 0;
}
