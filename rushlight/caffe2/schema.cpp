// The messages of the Caffe2 formats: numbers, names, types and defaults, as one text; and what caffe2.python.onnx reads of ONNX's.
//
// `number name type`, then * for a repeated field, ! for a required one, `packed`, and =default.
#include <map>

#include "rushlight/caffe2/message.h"

namespace rushlight::caffe2 {
namespace {

constexpr char kSchema[] = R"(
enum DeviceTypeProto PROTO_CPU=0 PROTO_CUDA=1 PROTO_MKLDNN=2 PROTO_OPENGL=3 PROTO_OPENCL=4 PROTO_IDEEP=5 PROTO_HIP=6 PROTO_FPGA=7 PROTO_ORT=8 PROTO_XLA=9 PROTO_MLC=10 PROTO_COMPILE_TIME_MAX_DEVICE_TYPES=11
message TensorProto
  1 dims int64*
  2 data_type TensorProto.DataType =FLOAT
  3 float_data float* packed
  4 int32_data int32* packed
  5 byte_data bytes
  6 string_data bytes*
  7 name string
  8 device_detail DeviceOption
  9 double_data double* packed
  10 int64_data int64* packed
  11 segment TensorProto.Segment
  13 raw_data bytes
  15 data_format uint32 =0
enum TensorProto.DataType UNDEFINED=0 FLOAT=1 INT32=2 BYTE=3 STRING=4 BOOL=5 UINT8=6 INT8=7 UINT16=8 INT16=9 INT64=10 FLOAT16=12 DOUBLE=13 ZERO_COLLISION_HASH=14 REBATCHING_BUFFER=15
enum TensorProto.SerializationFormat FMT_PROTOBUF=0 FMT_BFLOAT16=1
message TensorProto.Segment
  1 begin int64!
  2 end int64!
message QTensorProto
  1 dims int64*
  2 precision int32!
  3 scale double!
  4 bias double!
  5 is_signed bool!
  6 data int32* packed
  7 name string
  8 data_type TensorProto.DataType =INT32
  9 scales double*
  10 biases double*
  11 axis int32
  12 is_multiparam bool =False
message TensorProtos
  1 protos TensorProto*
message TensorShape
  1 dims int64*
  2 data_type TensorProto.DataType =FLOAT
  3 unknown_dims int32*
  4 unknown_shape bool =False
  5 name string
message TensorShapes
  1 shapes TensorShape*
message TensorBoundShape
  1 shape TensorShape
  2 dim_type TensorBoundShape.DimType*
  3 name string
  4 shape_is_final bool
enum TensorBoundShape.DimType UNKNOWN=0 CONSTANT=1 BATCH=2 BATCH_OF_FEATURE_MAX=3 BATCH_OF_FEATURE_MAX_DEFAULT=4 FEATURE_MAX=5 FEATURE_MAX_DEFAULT=6
message TensorBoundShapes
  1 shapes TensorBoundShape*
  2 max_batch_size int64
  3 max_feature_len int64
message AOTConfig
  1 max_batch_size int64!
  2 max_seq_size int64!
  3 in_batch_broadcast bool!
  4 onnxifi_blacklist_ops string
  5 onnxifi_min_ops int32
message Argument
  1 name string
  2 f float
  3 i int64
  4 s bytes
  5 floats float*
  6 ints int64*
  7 strings bytes*
  8 n NetDef
  9 nets NetDef*
  10 t TensorProto
  11 tensors TensorProto*
  12 qtensors QTensorProto*
message DeviceOption
  1 device_type int32 =0
  2 device_id int32
  3 random_seed uint32
  4 node_name string
  5 numa_node_id int32
  6 extra_info string*
message OperatorDef
  1 input string*
  2 output string*
  3 name string
  4 type string
  5 arg Argument*
  6 device_option DeviceOption
  7 engine string
  8 control_input string*
  9 is_gradient_op bool =False
  10 debug_info string
  11 domain string
  12 op_version int64
message MapFieldEntry
  1 key string!
  2 val string!
message BackendOptions
  1 backend_name string!
  2 option MapFieldEntry*
message PartitionInfo
  1 name string!
  2 device_id int32*
  3 extra_info string
  4 backend_options BackendOptions*
message NetDef
  1 name string
  2 op OperatorDef*
  3 type string
  4 num_workers int32
  5 device_option DeviceOption
  6 arg Argument*
  7 external_input string*
  8 external_output string*
  9 partition_info PartitionInfo*
message ExecutionStep
  1 name string
  2 substep ExecutionStep*
  3 network string*
  4 num_iter int64
  5 criteria_network string
  6 concurrent_substeps bool
  7 report_net string
  8 report_interval int32
  9 should_stop_blob string
  10 only_once bool
  11 run_every_ms int64
  12 create_workspace bool
  13 num_concurrent_instances int32
message PlanDef
  1 name string
  2 network NetDef*
  3 execution_step ExecutionStep*
message BlobProto
  1 name string
  2 type string
  3 tensor TensorProto
  4 content bytes
  5 qtensor QTensorProto
  6 content_num_chunks int32
  7 content_chunk_id int32
message DBReaderProto
  1 name string
  2 source string
  3 db_type string
  4 key string
message BlobSerializationOptions
  1 blob_name_regex string
  2 chunk_size int64
  3 float_format BlobSerializationOptions.FloatFormat
enum BlobSerializationOptions.FloatFormat FLOAT_DEFAULT=0 FLOAT_PROTOBUF=1 FLOAT_BFLOAT16=2
message SerializationOptions
  1 options BlobSerializationOptions*
message ModelInfo
  1 project string
  2 modelClass string
  3 version string
  4 predictorType string =SINGLE_PREDICTOR
  5 modelId string
message BlobsMap
  1 key string!
  2 value string*
message NetsMap
  1 key string!
  2 value NetDef!
message PlansMap
  1 key string!
  2 value PlanDef!
message StringMap
  1 key string!
  2 value string!
message MetaNetDef
  1 blobs BlobsMap*
  2 nets NetsMap*
  3 modelInfo ModelInfo
  4 plans PlansMap*
  5 applicationSpecificInfo StringMap*
  6 blobsOrder string*
  7 preLoadBlobs string*
  8 tensorBoundShapes TensorBoundShapes
  9 requestOnlyEmbeddings string*
  10 aotConfig AOTConfig
message PredictorConsts
  1 META_NET_DEF string =!!META_NET_DEF
  2 PREDICTOR_DBREADER string =!!PREDICTOR_DBREADER
  3 PARAMETERS_BLOB_TYPE string =PARAMETERS_BLOB_TYPE
  4 INPUTS_BLOB_TYPE string =INPUTS_BLOB_TYPE
  5 OUTPUTS_BLOB_TYPE string =OUTPUTS_BLOB_TYPE
  6 GLOBAL_INIT_NET_TYPE string =GLOBAL_INIT_NET_TYPE
  7 PREDICT_INIT_NET_TYPE string =PREDICT_INIT_NET_TYPE
  8 PREDICT_NET_TYPE string =PREDICT_NET_TYPE
  9 SINGLE_PREDICTOR string =SINGLE_PREDICTOR
  10 MULTI_PREDICTOR string =MULTI_PREDICTOR
  11 TRAIN_INIT_PLAN_TYPE string =TRAIN_INIT_PLAN_TYPE
  12 TRAIN_PLAN_TYPE string =TRAIN_PLAN_TYPE
  13 SHAPE_INFO_BLOB string =SHAPE_INFO_BLOB
  14 DEFERRED_BLOB_READER string =__DEFERRED_BLOB_READER__
message TwoNumberStatsProto
  1 mean float
  2 stddev float
  3 count int64
message BlobProfile
  1 name string
  3 bytes_used TwoNumberStatsProto
message ProfDAGProto
  1 name string!
  2 mean float!
  3 stddev float!
  4 execution_time TwoNumberStatsProto
  5 output_profile BlobProfile*
  7 extra_info string*
message ProfDAGProtos
  1 stats ProfDAGProto*
  2 net_name string
  3 ops_stats OpProfile*
message OpProfile
  1 idx string
  2 net_name string
  3 type string
  4 exec_time_secs float
message NodeProto
  1 children NodeProto*
  2 word_ids int32*
  3 offset int32
  4 name string
  5 scores float*
message TreeProto
  1 root_node NodeProto
message HierarchyProto
  1 size int32
  2 paths PathProto*
message PathProto
  1 word_id int32
  2 path_nodes PathNodeProto*
message PathNodeProto
  1 index int32
  2 length int32
  3 target int32
message OnnxModelProto
  1 ir_version int64
  2 producer_name string
  3 producer_version string
  7 graph OnnxGraphProto
  8 opset_import OnnxOperatorSetIdProto*
message OnnxOperatorSetIdProto
  1 domain string
  2 version int64
message OnnxGraphProto
  1 node OnnxNodeProto*
  2 name string
  5 initializer OnnxTensorProto*
  11 input OnnxValueInfoProto*
  12 output OnnxValueInfoProto*
  13 value_info OnnxValueInfoProto*
message OnnxNodeProto
  1 input string*
  2 output string*
  3 name string
  4 op_type string
  5 attribute OnnxAttributeProto*
  7 domain string
message OnnxAttributeProto
  1 name string
  2 f float
  3 i int64
  4 s bytes
  5 t OnnxTensorProto
  6 g OnnxGraphProto
  7 floats float*
  8 ints int64*
  9 strings bytes*
  20 type int32
message OnnxTensorProto
  1 dims int64*
  2 data_type int32
  4 float_data float* packed
  5 int32_data int32* packed
  6 string_data bytes*
  7 int64_data int64* packed
  8 name string
  9 raw_data bytes
  10 double_data double* packed
  11 uint64_data int64* packed
message OnnxValueInfoProto
  1 name string
  2 type OnnxTypeProto
message OnnxTypeProto
  1 tensor_type OnnxTensorTypeProto
message OnnxTensorTypeProto
  1 elem_type int32
  2 shape OnnxTensorShapeProto
message OnnxTensorShapeProto
  1 dim OnnxDimensionProto*
message OnnxDimensionProto
  1 dim_value int64
  2 dim_param string
)";

struct Schema {
  std::vector<const MessageType*> messages;
  std::vector<const EnumType*> enums;
  std::map<std::string, MessageType*, std::less<>> by_name;
};

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> out;
  while (!line.empty()) {
    size_t start = line.find_first_not_of(' ');
    if (start == line.npos) break;
    size_t end = std::min(line.find(' ', start), line.size());
    out.push_back(line.substr(start, end - start));
    line.remove_prefix(end);
  }
  return out;
}

const std::map<std::string_view, FieldKind> kKinds = {{"int32", FieldKind::Int32},   {"int64", FieldKind::Int64},
                                                      {"uint32", FieldKind::Uint32}, {"bool", FieldKind::Bool},
                                                      {"float", FieldKind::Float},   {"double", FieldKind::Double},
                                                      {"string", FieldKind::String}, {"bytes", FieldKind::Bytes}};

const Schema& schema() {
  static const Schema& all = *[] {
    auto* s = new Schema;
    std::vector<std::string_view> lines;
    for (std::string_view rest = kSchema; !rest.empty();) {
      size_t end = std::min(rest.find('\n'), rest.size());
      if (end > 0) lines.push_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    // Names first: messages refer to ones below them.
    std::map<std::string_view, EnumType*> enums;
    for (std::string_view line : lines) {
      std::vector<std::string_view> w = words(line);
      if (w[0] == "message") {
        auto* m = new MessageType;
        m->name = w[1];
        s->messages.push_back(m);
        s->by_name[m->name] = m;
      } else if (w[0] == "enum") {
        auto* e = new EnumType;
        e->name = w[1];
        for (size_t i = 2; i < w.size(); i++) {
          size_t eq = w[i].find('=');
          e->values.emplace_back(w[i].substr(0, eq), std::stoll(std::string(w[i].substr(eq + 1))));
        }
        s->enums.push_back(e);
        enums[w[1]] = e;
      }
    }
    MessageType* at = nullptr;
    for (std::string_view line : lines) {
      std::vector<std::string_view> w = words(line);
      if (w[0] == "message") {
        at = s->by_name.find(w[1])->second;
      } else if (w[0] == "enum") {
        size_t dot = w[1].find('.');
        if (dot != w[1].npos) s->by_name.find(w[1].substr(0, dot))->second->enums.push_back(enums[w[1]]);
      } else {
        FieldType f;
        f.number = std::stoi(std::string(w[0]));
        f.name = w[1];
        std::string_view type = w[2];
        f.repeated = type.ends_with('*');
        f.required = type.ends_with('!');
        if (f.repeated || f.required) type.remove_suffix(1);
        if (auto k = kKinds.find(type); k != kKinds.end()) {
          f.kind = k->second;
        } else if (auto e = enums.find(type); e != enums.end()) {
          f.kind = FieldKind::Enum;
          f.enums = e->second;
          f.int_default = e->second->values[0].second;
        } else {
          f.kind = FieldKind::Message;
          auto m = s->by_name.find(type);
          RL_INVARIANT(m != s->by_name.end());
          f.message = m->second;
        }
        for (size_t i = 3; i < w.size(); i++) {
          if (w[i] == "packed") f.packed = true;
          if (w[i][0] != '=') continue;
          std::string_view d = w[i].substr(1);
          f.has_default = true;
          if (f.enums) f.int_default = *f.enums->number_of(d);
          else if (f.is_text()) f.text_default = d;
          else f.int_default = d == "False" ? 0 : std::stoll(std::string(d));
        }
        at->fields.push_back(std::move(f));
      }
    }
    return s;
  }();
  return all;
}

}  // namespace

const std::string* EnumType::name_of(int64_t number) const {
  for (auto& [name, n] : values)
    if (n == number) return &name;
  return nullptr;
}

const int64_t* EnumType::number_of(std::string_view name) const {
  for (auto& [n, number] : values)
    if (n == name) return &number;
  return nullptr;
}

int MessageType::find(std::string_view field) const {
  for (size_t i = 0; i < fields.size(); i++)
    if (fields[i].name == field) return int(i);
  return -1;
}

int MessageType::find_number(int number) const {
  for (size_t i = 0; i < fields.size(); i++)
    if (fields[i].number == number) return int(i);
  return -1;
}

const std::vector<const MessageType*>& message_types() { return schema().messages; }
const std::vector<const EnumType*>& enum_types() { return schema().enums; }

const MessageType& message_type(std::string_view name) {
  auto found = schema().by_name.find(name);
  RL_CHECK(KeyError, found != schema().by_name.end(), "there is no Caffe2 message ", name);
  return *found->second;
}

}  // namespace rushlight::caffe2
