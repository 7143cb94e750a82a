// Operators of databases: readers, records, blobs saved and loaded.
#include <algorithm>
#include <cstring>
#include <set>

#include "rushlight/caffe2/blobs.h"
#include "rushlight/caffe2/workspace.h"
#include "rushlight/data/image.h"
#include "rushlight/data/record.h"

namespace rushlight::caffe2 {
namespace {

using Dims1 = std::vector<int64_t>;

struct Reader final : Object {
  const char* type_name() const override { return "db::DBReader"; }
  std::string type, source;
  std::unique_ptr<DbCursor> cursor;
  int64_t shards = 1, shard = 0, at = 0;
  // The next record of this shard; begins anew behind the last.
  void next() {
    do {
      cursor->next();
      at++;
      if (!cursor->valid()) cursor->first(), at = 0;
    } while (at % shards != shard);
  }
};

std::string path_of(const Call& c, const std::string& name) {
  C2_ENFORCE(c.ws, c.op.type, " runs in workspaces only");
  C2_ENFORCE(!name.empty(), c.op.type, ": Must specify a db.");
  if (c.b("absolute_path") || name[0] == '/') return name;
  const std::string& root = c.ws->root();
  return root.empty() || root == "." ? name : root + "/" + name;
}

Ref<Reader> make_reader(const Call& c) {
  auto r = make_ref<Reader>();
  r->type = c.s("db_type", "leveldb");
  r->source = path_of(c, c.s("db", ""));
  r->shards = std::max<int64_t>(c.i("num_shards", 1), 1);
  r->shard = c.i("shard_id", 0);
  C2_ENFORCE(r->shard >= 0 && r->shard < r->shards, "shard_id ", r->shard, " of ", r->shards);
  r->cursor = open_db(r->type, r->source);
  for (; r->at < r->shard && r->cursor->valid(); r->at++) r->cursor->next();
  return r;
}

void save(const Call& c, const std::vector<Value>& blobs, const std::vector<std::string>& names,
          const std::string& path) {
  std::unique_ptr<DbWriter> db = create_db(c.s("db_type", ""), path);
  int64_t chunk = c.i("chunk_size", 1000000);
  if (chunk == -1) chunk = 1000000;
  std::set<std::string> seen;
  for (size_t k = 0; k < blobs.size(); k++) {
    const std::string& name = names[k];
    C2_ENFORCE(seen.insert(name).second, "Duplicated blob name in Save: ", name);
    C2_ENFORCE(!blobs[k].is_none(), "Blob ", name, " is uninitialised");
    auto* s = as<StringTensor>(blobs[k]);
    int64_t n = s ? int64_t(s->items.size()) : blobs[k].is_tensor() ? Tensor(blobs[k].tensor()).numel() : 0;
    if (!s && !blobs[k].is_tensor()) {
      db->put(name, blob_message(blobs[k], name)->serialize());
      continue;
    }
    int64_t part = chunk <= 0 ? std::max<int64_t>(n, 1) : chunk, from = 0, i = 0;
    do {
      MessageRef m = make_message("BlobProto");
      m->set("name", name).set("type", "Tensor");
      m->message("tensor")->copy_from(*tensor_message(blobs[k], name, from, std::min(n, from + part)));
      m->message("tensor")->touch();
      db->put(str(name, "#%", i++), m->serialize());
      from += part;
    } while (from < n);
  }
  db->commit();
}

void load(Call& c) {
  C2_ENFORCE(c.ws, "Load runs in workspaces only");
  std::string strip = c.s("strip_prefix", ""), add = c.s("add_prefix", "");
  bool all = c.b("load_all"), incomplete = c.b("allow_incomplete");
  std::vector<std::string> sources = c.op.args.strings("source_blob_names");
  std::map<std::string, std::string> wanted;  // name in the database -> blob
  std::map<std::string, Value> got;
  if (!all) {
    C2_ENFORCE(sources.empty() || sources.size() == c.outputs(),
               "Number of output blobs and source_blob_names mismatch.");
    for (size_t k = 0; k < c.outputs(); k++) {
      std::string name = sources.empty() ? c.op.outputs[k] : sources[k];
      if (sources.empty() && !add.empty() && name.starts_with(add)) name = name.substr(add.size());
      wanted[name] = c.op.outputs[k];
    }
  }
  auto read = [&](DbCursor& db) {
    for (; db.valid(); db.next()) {
      std::string key(db.key());
      key = key.substr(0, key.find("#%"));
      if (!strip.empty()) {
        size_t at = key.find(strip);
        if (at != key.npos) key = key.substr(at + strip.size());
      }
      std::string blob = add + key;
      if (!all) {
        auto found = wanted.find(key);
        if (found == wanted.end()) continue;
        blob = found->second;
      }
      MessageRef m = make_message("BlobProto");
      m->parse(db.value(), str("Load: entry '", std::string(db.key()), "'"));
      add_blob_chunk(got[blob], *m);
    }
  };
  if (c.inputs() && as<Reader>(c.in[0])) {
    Reader& r = c.object<Reader>(0);
    r.cursor->first();
    read(*r.cursor);
  } else {
    std::vector<std::string> dbs = c.op.args.strings("dbs");
    if (dbs.empty()) dbs.push_back(c.s("db", ""));
    for (const std::string& d : dbs) {
      auto db = open_db(c.s("db_type", ""), path_of(c, d));
      read(*db);
    }
  }
  if (!all && !incomplete)
    for (auto& [name, blob] : wanted)
      C2_ENFORCE(got.count(blob), "Expected to load ", wanted.size(), " blobs, got ", got.size(), " only: missing ",
                 blob);
  for (auto& [blob, v] : got) c.ws->create(blob)->value = v;
}

// Records of several tensors: those of a batch are stacked.
void tensor_protos_input(Call& c) {
  Reader& r = c.object<Reader>(0);
  int64_t batch = c.i("batch_size", 0);
  C2_ENFORCE(batch >= 0 && batch < (int64_t(1) << 24), "batch_size ", batch);
  std::vector<std::vector<Tensor>> columns(c.outputs());
  std::vector<std::vector<std::string>> texts(c.outputs());
  for (int64_t k = 0; k < std::max<int64_t>(batch, 1); k++) {
    C2_ENFORCE(r.cursor->valid(), "the database ", r.source, " is empty");
    MessageRef m = make_message("TensorProtos");
    m->parse(r.cursor->value(), str("TensorProtosDBInput: entry '", std::string(r.cursor->key()), "' of ", r.source));
    const auto& all = m->messages("protos");
    C2_ENFORCE(all.size() == c.outputs(), "a record of ", all.size(), " tensors for ", c.outputs(), " outputs");
    for (size_t i = 0; i < all.size(); i++) {
      if (all[i]->has("device_detail")) all[i]->clear(all[i]->index("device_detail"));
      MessageRef one = all[i];
      Value v = tensor_value(*one);
      if (auto* s = as<StringTensor>(v)) {
        C2_ENFORCE(s->items.size() == 1 || batch == 0, "strings in batches should be single");
        texts[i].insert(texts[i].end(), s->items.begin(), s->items.end());
      } else {
        columns[i].push_back(Tensor(v.tensor()));
        C2_ENFORCE(columns[i].back().sizes() == columns[i][0].sizes(),
                   "the records' tensors have different shapes: ", columns[i][0].sizes(), " and ",
                   columns[i].back().sizes());
      }
    }
    r.next();
  }
  for (size_t i = 0; i < c.outputs(); i++) {
    if (!texts[i].empty()) {
      auto s = make_ref<StringTensor>();
      s->items = texts[i];
      s->sizes = {int64_t(s->items.size())};
      c.set_value(i, object_value(s));
    } else {
      c.set(i, batch ? torch::stack(columns[i], 0) : columns[i][0]);
    }
  }
}

// What a pixel of the result is made of along one side: weights by area where the picture shrinks, as OpenCV's INTER_AREA, else linear.
Tensor resampling(int64_t from, int64_t to) {
  Tensor m = torch::zeros({to, from});
  float* p = m.data_ptr<float>();
  double step = double(from) / double(to);
  for (int64_t k = 0; k < to; k++) {
    float* row = p + k * from;
    if (step > 1) {
      double a = double(k) * step, b = std::min(a + step, double(from));
      for (auto i = int64_t(a); i < from && double(i) < b; i++)
        row[i] = float((std::min(b, double(i + 1)) - std::max(a, double(i))) / (b - a));
    } else {
      double at = std::clamp((double(k) + 0.5) * step - 0.5, 0.0, double(from - 1));
      auto i = int64_t(at);
      row[i] += float(1 - (at - double(i)));
      if (i + 1 < from) row[i + 1] += float(at - double(i));
    }
  }
  return m;
}

struct ImageOptions {
  explicit ImageOptions(const Call& c)
      : batch(c.i("batch_size", 0)),
        crop(c.i("crop", -1)),
        scale(c.i("scale", -1)),
        least(c.i("minsize", -1)),
        color(c.b("color", true)),
        mirror(c.b("mirror")),
        warp(c.b("warp")),
        test(c.b("is_test")),
        datum(c.b("use_caffe_datum")) {
    C2_ENFORCE(batch > 0 && batch < (1 << 16), "Batch size should be above 0, got ", batch);
    C2_ENFORCE(crop > 0 && crop < (1 << 16), "Must provide the cropping value.");
    C2_ENFORCE((scale > 0) != (least > 0), "Must provide one and only one of scaling or minsize");
    C2_ENFORCE(scale < (1 << 16) && least < (1 << 16), "scale and minsize are too large");
    C2_ENFORCE(std::max(scale, least) >= crop, "The scale/minsize value must be no smaller than the crop value.");
    C2_ENFORCE(c.i("label_type", 0) == 0, "ImageInput: label_type ", c.i("label_type", 0),
               " is not supported, only 0 (a number) is");
    C2_ENFORCE(c.outputs() == 2, "ImageInput: outputs besides the picture and its label are not supported");
    auto numbers = [&](const char* each, const char* all, double otherwise) {
      std::vector<double> v = c.op.args.floats(each);
      if (v.empty()) v.assign(color ? 3 : 1, c.f(all, otherwise));
      C2_ENFORCE(v.size() == (color ? 3u : 1u), each, " should have a number for each channel, got ", v.size());
      return torch::tensor(std::vector<float>(v.begin(), v.end()));
    };
    mean = numbers("mean_per_channel", "mean", 0), std = numbers("std_per_channel", "std", 1);
    C2_ENFORCE((std > 0).all().item<bool>(), "std should be above 0");
  }
  int64_t batch, crop, scale, least;
  bool color, mirror, warp, test, datum;
  Tensor mean, std;
};

// The picture (H, W, C), blue first, and the label of a record.
std::pair<Tensor, int64_t> picture_in(std::string_view record, const std::string& where, const ImageOptions& o) {
  auto decoded = [&](std::string_view bytes) {
    data::ImageOptions options;
    options.mode = o.color ? data::ImageMode::Rgb : data::ImageMode::Gray;
    Tensor t(data::decode_image({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, where, options));
    if (t.scalar_type() != torch::kByte) t = torch::floor_divide(t.to(torch::kInt), 257);
    return (o.color ? t.flip({0}) : t).permute({1, 2, 0});
  };
  Tensor picture;
  int64_t label;
  if (o.datum) {
    data::Record r = data::decode_record(record, where);
    C2_ENFORCE(r.kind == data::RecordKind::Datum && r.tensors.size() == 1, where, ": no Datum");
    picture = Tensor(r.tensors[0]).permute({1, 2, 0});
    label = r.label.value_or(0);
  } else {
    MessageRef m = make_message("TensorProtos");
    m->parse(record, where);
    const auto& all = m->messages("protos");
    C2_ENFORCE(all.size() >= 2, where, ": a record of ", all.size(), " tensors; a picture and a label are wanted");
    const Message& p = *all[0];
    int64_t type = p.whole("data_type");
    if (type == 4) {  // a file's bytes
      C2_ENFORCE(p.texts("string_data").size() == 1, where, ": the picture should be one string");
      picture = decoded(p.texts("string_data")[0]);
    } else if (type == 3) {
      const std::vector<int64_t>& d = p.wholes("dims");
      const std::string& bytes = p.text("byte_data");
      C2_ENFORCE(d.size() == 3 && d[0] > 0 && d[1] > 0 && (d[2] == 1 || d[2] == 3) && d[0] < (1 << 20) &&
                     d[1] < (1 << 20) && d[0] * d[1] * d[2] == int64_t(bytes.size()),
                 where, ": a picture of ", bytes.size(), " bytes with the dimensions ", d);
      picture = torch::empty(d, torch::TensorOptions().dtype(torch::kByte));
      std::memcpy(picture.data_ptr(), bytes.data(), bytes.size());
    } else {
      C2_FAIL(where, ": Unknown image data type ", type);
    }
    Value v = tensor_value(*all[1]);
    C2_ENFORCE(v.is_tensor() && Tensor(v.tensor()).numel() == 1, where, ": the label should be one number");
    label = Tensor(v.tensor()).reshape({}).to(torch::kLong).item<int64_t>();
  }
  if (o.color && picture.size(2) == 1) picture = picture.expand({picture.size(0), picture.size(1), 3});
  if (!o.color && picture.size(2) == 3)  // blue, green, red
    picture = (picture.to(torch::kFloat) * torch::tensor(std::vector<float>{0.114f, 0.587f, 0.299f}))
                  .sum(Dims1{2}, true)
                  .round();
  return {picture, label};
}

// Pictures of a database, made alike: sized, cut, mirrored, and with a mean of 0: (batch, crop, crop, channels), blue first.
void image_input(Call& c) {
  Reader& r = c.object<Reader>(0);
  ImageOptions o(c);
  std::vector<Tensor> pictures;
  std::vector<int64_t> labels;
  auto draw = [](int64_t n) {
    return n > 1 ? torch::randint(n, {1}, torch::TensorOptions().dtype(torch::kLong)).item<int64_t>() : int64_t(0);
  };
  for (int64_t k = 0; k < o.batch; k++) {
    C2_ENFORCE(r.cursor->valid(), "the database ", r.source, " is empty");
    auto [picture, label] =
        picture_in(r.cursor->value(), str("ImageInput: entry '", std::string(r.cursor->key()), "' of ", r.source), o);
    r.next();
    labels.push_back(label);
    int64_t H = picture.size(0), W = picture.size(1), h = H, w = W;
    C2_ENFORCE(H > 0 && W > 0, "ImageInput: an empty picture in ", r.source);
    if (o.warp && o.scale > 0) h = w = o.scale;
    else if (o.scale > 0 || std::min(H, W) < o.least) {
      int64_t side = std::max(o.scale, o.least);
      if (H > W) w = side, h = int64_t(double(H) * double(side) / double(W));
      else h = side, w = int64_t(double(W) * double(side) / double(H));
      C2_ENFORCE(h < (1 << 20) && w < (1 << 20), "ImageInput: a picture of ", H, " x ", W, " becomes too large");
    }
    Tensor x = picture.to(torch::kFloat);
    if (h != H || w != W) {
      x = torch::matmul(resampling(H, h), x.permute({2, 0, 1}));
      x = torch::matmul(x, resampling(W, w).t()).permute({1, 2, 0}).round();
    }
    int64_t top = o.test ? (h - o.crop) / 2 : draw(h - o.crop + 1),
            left = o.test ? (w - o.crop) / 2 : draw(w - o.crop + 1);
    x = x.narrow(0, top, o.crop).narrow(1, left, o.crop);
    if (o.mirror && !o.test && draw(2)) x = x.flip({1});
    pictures.push_back((x - o.mean) / o.std);
  }
  c.set(0, torch::stack(pictures, 0));
  c.set(1, int_list(labels, torch::kInt));
}

}  // namespace

void add_db(Registry& r) {
  r.op("ImageInput", "1 -> 2+", image_input).stateful().quiet();
  r.op("CreateDB", "0 -> 1", [](Call& c) { c.set_value(0, object_value(make_reader(c))); }).stateful().quiet();
  r.op("DBExists", "0 -> 1",
       [](Call& c) {
         c.set(torch::full({}, db_exists(c.s("db_type", ""), path_of(c, c.s("db_name", c.s("db", "")))),
                           torch::TensorOptions().dtype(torch::kBool)));
       })
      .stateful()
      .quiet();
  r.op("Save", "1+ -> 0",
       [](Call& c) {
         std::vector<std::string> names = c.op.args.strings("blob_name_overrides");
         std::string strip = c.s("strip_prefix", "");
         C2_ENFORCE(names.empty() || names.size() == c.inputs(), "Number of blobs and blob_name_overrides mismatch.");
         C2_ENFORCE(names.empty() || strip.empty(), "strip_prefix and blob_name_overrides are mutually exclusive.");
         if (names.empty())
           for (std::string n : c.op.inputs) {
             size_t at = strip.empty() ? n.npos : n.find(strip);
             names.push_back(at == n.npos ? n : n.substr(at + strip.size()));
           }
         save(c, c.in, names, path_of(c, c.s("db", "")));
       })
      .stateful()
      .also("Snapshot")
      .quiet();
  r.op("Checkpoint", "1+ -> 0",
       [](Call& c) {
         auto iter = int64_t(c.number(0));
         int64_t every = c.i("every", 1);
         C2_ENFORCE(every > 0, "Checkpoint interval should be positive.");
         if (iter % every) return;
         std::string pattern = c.s("db", "");
         size_t at = pattern.find('%');
         if (at != pattern.npos) {  // %d, %06d
           size_t end = pattern.find('d', at);
           C2_ENFORCE(end != pattern.npos && end - at < 5, "db name ", pattern, ": expected %d");
           std::string number = std::to_string(iter), width = pattern.substr(at + 1, end - at - 1);
           for (char ch : width) C2_ENFORCE(ch >= '0' && ch <= '9', "db name ", pattern, ": expected %d");
           size_t w = width.empty() ? 0 : size_t(std::stoi(width));
           while (number.size() < w) number = (width[0] == '0' ? "0" : " ") + number;
           pattern = pattern.substr(0, at) + number + pattern.substr(end + 1);
         }
         save(c, std::vector<Value>(c.in.begin(), c.in.end()), c.op.inputs, path_of(c, pattern));
       })
      .stateful()
      .quiet();
  r.op("Load", "0-1 -> 0+", load).stateful().quiet();
  r.op("TensorProtosDBInput", "1 -> 1+", tensor_protos_input).stateful().quiet();
  r.op("ReadDB", "1 -> 2",
       [](Call& c) {
         Reader& reader = c.object<Reader>(0);
         C2_ENFORCE(reader.cursor->valid(), "the database ", reader.source, " has no record for shard ", reader.shard);
         auto k = make_ref<StringTensor>(), v = make_ref<StringTensor>();
         k->items = {std::string(reader.cursor->key())}, v->items = {std::string(reader.cursor->value())};
         reader.next();
         c.set_value(0, object_value(k)), c.set_value(1, object_value(v));
       })
      .stateful()
      .quiet();
  r.op("VideoInput", "1 -> 1+",
       [](Call&) {
         C2_FAIL(
             "VideoInput: this build decodes no video; decode the frames with another program and read them with "
             "TensorProtosDBInput");
       })
      .stateful()
      .quiet();
}

}  // namespace rushlight::caffe2
