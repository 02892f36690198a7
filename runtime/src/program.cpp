// Loads and runs an artifact without Python. `code/entry.tsv` says what the entry function takes. The entry is
// `void sg_entry(void **args)`: first, if the program has outputs, a pointer to room for their descriptors, one after
// the other; then one pointer to a descriptor per input, parameter and arena line, in the order of the lines.
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <vector>

#include "archive.h"
#include "context.h"

namespace {

using Entry = void (*)(void **);

// Pointer, aligned pointer, offset, sizes, strides: MLIR's descriptor, with room for any rank we take.
struct Descriptor {
  void *allocated, *aligned;
  int64_t offset;
  int64_t sizes_and_strides[2 * SG_MAX_RANK];

  void fill(void *data, int64_t rank, const int64_t *shape) {
    allocated = aligned = data;
    offset = 0;
    int64_t stride = 1;
    for (int64_t i = rank - 1; i >= 0; --i) {
      sizes_and_strides[i] = shape[i];
      sizes_and_strides[rank + i] = stride;
      stride *= shape[i];
    }
  }
};

// Words of a descriptor of this rank.
size_t words(int64_t rank) { return static_cast<size_t>(3 + 2 * rank); }

int64_t item_size(const std::string &dtype) {
  if (dtype == "index") return 8;
  const size_t digits = dtype.find_first_of("0123456789");
  const int64_t bits = digits == std::string::npos ? 0 : std::strtoll(dtype.c_str() + digits, nullptr, 10);
  return bits < 8 ? (bits > 0) : bits / 8;
}

// Copies a strided tensor of `rank` dimensions, from the outermost on, to dense memory; returns the end of the copy.
char *copy_dense(const char *from, char *to, int64_t rank, const int64_t *sizes, const int64_t *strides, int64_t item) {
  if (rank == 0) {
    std::memcpy(to, from, static_cast<size_t>(item));
    return to + item;
  }
  for (int64_t i = 0; i < sizes[0]; ++i)
    to = copy_dense(from + i * strides[0] * item, to, rank - 1, sizes + 1, strides + 1, item);
  return to;
}

enum class Kind { input, parameter, arena };

struct Argument {
  Kind kind;
  size_t index;  // among its kind
};

struct Tensor {
  std::string name, dtype;
  sg_tensor_info info;
};

std::vector<std::string> split(const std::string &line) {
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, '\t');) fields.push_back(field);
  return fields;
}

bool to_number(const std::string &text, int64_t &value) {
  char *end = nullptr;
  value = std::strtoll(text.c_str(), &end, 10);
  return !text.empty() && *end == 0;
}

// fields[at] is the rank, the sizes follow; `?` is a size known at run time.
bool read_shape(const std::vector<std::string> &fields, size_t at, sg_tensor_info &info) {
  if (at >= fields.size() || !to_number(fields[at], info.rank)) return false;
  if (info.rank < 0 || info.rank > SG_MAX_RANK || fields.size() != at + 1 + static_cast<size_t>(info.rank)) return false;
  for (int64_t i = 0; i < info.rank; ++i) {
    const std::string &text = fields[at + 1 + static_cast<size_t>(i)];
    info.shape[i] = -1;
    if (text != "?" && (!to_number(text, info.shape[i]) || info.shape[i] < 0)) return false;
  }
  return true;
}

// The loader takes equal spellings for one library, and numbers of closed files come again: the bits of a counter,
// as "/" and "/.", spell every path differently.
std::string distinct_path(int file) {
  static std::atomic<unsigned> counter{1};
  std::string path = "/proc/./self/fd";
  for (unsigned n = counter++; n; n /= 2) path += n % 2 ? "/." : "/";
  return path + "/" + std::to_string(file);
}

// The architecture named in an ELF header (`e_machine`, System V ABI) when it is another one than ours, else null.
const char *foreign_architecture(const stratagem::Member &code) {
#if defined(__x86_64__)
  constexpr unsigned ours = 62;
#elif defined(__aarch64__)
  constexpr unsigned ours = 183;
#elif defined(__riscv) && __riscv_xlen == 64
  constexpr unsigned ours = 243;
#else
  constexpr unsigned ours = 0;
#endif
  if (code.size < 20) return nullptr;
  const auto *bytes = reinterpret_cast<const unsigned char *>(code.data);
  const unsigned machine = bytes[18] | static_cast<unsigned>(bytes[19]) << 8;
  if (machine == ours) return nullptr;
  return machine == 62 ? "x86_64" : machine == 183 ? "aarch64" : machine == 243 ? "riscv64" : nullptr;
}

// Each instruction set extension that the code needs (`sg_instructions`) and /proc/cpuinfo does not name, behind a space;
// empty where either says nothing. An emulator may show the file of the machine it runs on: its key is another one then.
std::string missing_instructions(void *library) {
#if defined(__aarch64__)
  const std::string key = "Features";
#else
  const std::string key = "flags";
#endif
  const auto *needed = static_cast<const char *>(dlsym(library, "sg_instructions"));
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; needed && std::getline(file, line);) {
    if (line.compare(0, key.size(), key) != 0) continue;
    std::istringstream words(line.substr(line.find(':') + 1)), wanted(needed);
    std::set<std::string> found;
    for (std::string word; words >> word;) found.insert(word);
    std::string missing;
    for (std::string flag; wanted >> flag;)
      if (!found.count(flag)) missing += " " + flag;
    return missing;
  }
  return "";
}

}  // namespace

struct sg_program {
  ~sg_program() {
    if (library) dlclose(library);
    sg_free(arena);
  }

  bool load(const std::string &path, std::string &reason);
  bool read_entry(const std::string &text, std::string &reason);
  bool read_line(const std::vector<std::string> &fields);
  bool read_parameter(const std::vector<std::string> &fields);
  bool load_code(const stratagem::Member &code, std::string &reason);
  bool bind(const sg_tensor *given);
  bool take(sg_tensor *results);
  bool is_borrowed(const void *data) const;

  stratagem::Archive archive;
  std::vector<std::unique_ptr<Tensor>> inputs, outputs;  // stable addresses: `info` points into its Tensor
  std::vector<Descriptor> input_descriptors, parameter_descriptors;
  std::vector<int64_t> results;  // descriptors of the outputs, one after the other
  size_t arena_bytes = 0;
  std::vector<Argument> arguments;
  Descriptor arena_descriptor{};
  void *arena = nullptr;
  void *library = nullptr;
  Entry entry = nullptr;
};

bool sg_program::load(const std::string &path, std::string &reason) {
  if (!archive.open(path, reason)) return false;
  stratagem::Member code, table;
  if (!archive.find("code/model.so", code, reason) || !archive.find("code/entry.tsv", table, reason)) return false;
  reason = path + " holds no host code: it was saved before the code level";
  if (!code.data || !table.data) return false;
  return read_entry(std::string(table.data, table.size), reason) && load_code(code, reason);
}

bool sg_program::read_entry(const std::string &text, std::string &reason) {
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.empty() || read_line(split(line))) continue;
    reason = "code/entry.tsv, line " + std::to_string(number) + " cannot be used: " + line;
    return false;
  }
  input_descriptors.resize(inputs.size());
  size_t total = 0;
  for (const auto &output : outputs) total += words(output->info.rank);
  results.resize(total);
  return true;
}

bool sg_program::read_line(const std::vector<std::string> &fields) {
  const std::string &kind = fields[0];
  if (kind == "param") return read_parameter(fields);
  if (kind == "arena") {
    int64_t bytes = 0;
    if (fields.size() != 2 || !to_number(fields[1], bytes) || bytes < 0 || arena) return false;
    arena_bytes = static_cast<size_t>(bytes);
    arena = sg_alloc(arena_bytes);
    arena_descriptor.fill(arena, 1, &bytes);
    arguments.push_back({Kind::arena, 0});
    return arena != nullptr;
  }
  if ((kind != "input" && kind != "output") || fields.size() < 4) return false;
  auto tensor = std::make_unique<Tensor>();
  tensor->name = fields[1];
  tensor->dtype = fields[2];
  if (!read_shape(fields, 3, tensor->info)) return false;
  tensor->info.name = tensor->name.c_str();
  tensor->info.dtype = tensor->dtype.c_str();
  if (item_size(tensor->dtype) == 0) return false;
  if (kind == "input") arguments.push_back({Kind::input, inputs.size()});
  (kind == "input" ? inputs : outputs).push_back(std::move(tensor));
  return true;
}

// param name dtype offset bytes rank sizes...: offset counts from the start of the artifact.
bool sg_program::read_parameter(const std::vector<std::string> &fields) {
  int64_t offset = 0, bytes = 0;
  sg_tensor_info info{};
  if (fields.size() < 6 || !to_number(fields[3], offset) || !to_number(fields[4], bytes)) return false;
  if (!read_shape(fields, 5, info) || offset < 0 || bytes < 0) return false;
  const int64_t size = static_cast<int64_t>(archive.size());
  if (offset > size || bytes > size - offset) return false;
  for (int64_t i = 0; i < info.rank; ++i)
    if (info.shape[i] < 0) return false;
  arguments.push_back({Kind::parameter, parameter_descriptors.size()});
  parameter_descriptors.emplace_back();
  parameter_descriptors.back().fill(const_cast<char *>(archive.data()) + offset, info.rank, info.shape);
  return true;
}

bool sg_program::load_code(const stratagem::Member &code, std::string &reason) {
  if (const char *other = foreign_architecture(code)) {
    reason = std::string("the program's machine code is for ") + other + ", this process is of another architecture";
    return false;
  }
  reason = "the system gave no memory file for the program's code";
  const int file = memfd_create("stratagem-model", MFD_CLOEXEC);
  if (file < 0) return false;
  for (size_t written = 0; written < code.size;) {
    const ssize_t n = write(file, code.data + written, code.size - written);
    if (n <= 0) return close(file), false;
    written += static_cast<size_t>(n);
  }
  library = dlopen(distinct_path(file).c_str(), RTLD_NOW | RTLD_LOCAL);
  close(file);
  const char *problem = library ? nullptr : dlerror();
  entry = library ? reinterpret_cast<Entry>(dlsym(library, "sg_entry")) : nullptr;
  const std::string lacking = library ? missing_instructions(library) : "";
  if (!lacking.empty()) {
    reason = "the program's machine code needs instructions that this processor does not have:" + lacking;
    return false;
  }
  if (entry) return true;
  reason = std::string("the program's code cannot be loaded: ") + (problem ? problem : "it has no sg_entry");
  return false;
}

bool sg_program::bind(const sg_tensor *given) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const sg_tensor_info &info = inputs[i]->info;
    if (given[i].rank != info.rank) {
      stratagem::fail("input '%s' has rank %lld, the program takes rank %lld", info.name, (long long)given[i].rank,
                      (long long)info.rank);
      return false;
    }
    for (int64_t d = 0; d < info.rank; ++d)
      if (given[i].shape[d] < 0 || (info.shape[d] >= 0 && given[i].shape[d] != info.shape[d])) {
        stratagem::fail("input '%s' has size %lld in dimension %lld, the program takes %lld", info.name,
                        (long long)given[i].shape[d], (long long)d, (long long)info.shape[d]);
        return false;
      }
    input_descriptors[i].fill(given[i].data, info.rank, given[i].shape);
  }
  return true;
}

// Memory that the program did not allocate for this result: an input handed through, a parameter, the arena.
bool sg_program::is_borrowed(const void *data) const {
  const char *at = static_cast<const char *>(data), *start = static_cast<const char *>(arena);
  if (start && at >= start && at < start + arena_bytes) return true;
  if (at >= archive.data() && at < archive.data() + archive.size()) return true;
  for (const Descriptor &input : input_descriptors)
    if (input.allocated == data) return true;
  return false;
}

// Hands the results to the caller: the program's own block where it is one dense tensor, a copy elsewhere.
bool sg_program::take(sg_tensor *taken) {
  std::vector<const void *> given;
  const int64_t *word = results.data();
  for (size_t i = 0; i < outputs.size(); ++i) {
    const int64_t rank = outputs[i]->info.rank, item = item_size(outputs[i]->dtype);
    const int64_t *sizes = word + 3, *strides = sizes + rank;
    void *block = reinterpret_cast<void *>(word[0]);
    const char *data = reinterpret_cast<const char *>(word[1]) + word[2] * item;
    int64_t count = 1;
    bool dense = data == block;
    for (int64_t d = rank - 1; d >= 0; --d) {
      dense = dense && (strides[d] == count || sizes[d] == 1);
      count *= sizes[d];
    }
    bool shared = is_borrowed(block);
    for (const void *other : given) shared = shared || other == block;
    taken[i].rank = rank;
    std::memcpy(taken[i].shape, sizes, static_cast<size_t>(rank) * sizeof *sizes);
    if (dense && !shared) {
      taken[i].data = block;
    } else {
      taken[i].data = sg_alloc(static_cast<size_t>(count * item));
      if (!taken[i].data) return false;
      if (count) copy_dense(data, static_cast<char *>(taken[i].data), rank, sizes, strides, item);
      if (!shared) sg_free(block);
    }
    given.push_back(block);
    word += words(rank);
  }
  return true;
}

extern "C" {

sg_program *sg_program_load(const char *path) {
  auto program = std::make_unique<sg_program>();
  std::string reason;
  if (program->load(path, reason)) return program.release();
  sg_context &context = stratagem::current_context();
  context.error = reason;
  return nullptr;
}

void sg_program_free(sg_program *program) { delete program; }

int64_t sg_program_inputs(const sg_program *program) { return static_cast<int64_t>(program->inputs.size()); }

int64_t sg_program_outputs(const sg_program *program) { return static_cast<int64_t>(program->outputs.size()); }

const sg_tensor_info *sg_program_input(const sg_program *program, int64_t i) {
  return i >= 0 && i < sg_program_inputs(program) ? &program->inputs[static_cast<size_t>(i)]->info : nullptr;
}

const sg_tensor_info *sg_program_output(const sg_program *program, int64_t i) {
  return i >= 0 && i < sg_program_outputs(program) ? &program->outputs[static_cast<size_t>(i)]->info : nullptr;
}

int sg_program_run(sg_program *program, const sg_tensor *inputs, sg_tensor *outputs) {
  sg_program &p = *program;
  stratagem::current_context().error.clear();
  if (!p.bind(inputs)) return 1;
  std::vector<void *> args;
  if (!p.outputs.empty()) args.push_back(p.results.data());
  for (const Argument &argument : p.arguments) switch (argument.kind) {
      case Kind::input: args.push_back(&p.input_descriptors[argument.index]); break;
      case Kind::parameter: args.push_back(&p.parameter_descriptors[argument.index]); break;
      case Kind::arena: args.push_back(&p.arena_descriptor); break;
    }
  std::vector<void *const *> blocks;
  int64_t *word = p.results.data();
  for (const auto &output : p.outputs) {
    blocks.push_back(reinterpret_cast<void *const *>(word));
    word += words(output->info.rank);
  }
  if (sg_call_returning(p.entry, args.data(), blocks.data(), static_cast<int64_t>(blocks.size())) != 0) return 1;
  return p.take(outputs) ? 0 : 1;
}

}  // extern "C"
