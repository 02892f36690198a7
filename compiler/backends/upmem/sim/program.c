/* Loading of a DPU program: a shared object made from the emitted C. Its variables are WRAM, its `sg_mram` section is
   MRAM address space. Sizes are taken from the ELF headers, so the program cannot misreport them. */
#define _GNU_SOURCE
#include "sim.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

struct sg_program sg_program;

struct search {
  const struct link_map *map;
  uintptr_t relro_end, write_low, write_high, low, high;
};

static int read_segments(struct dl_phdr_info *info, size_t size, void *data) {
  struct search *search = data;
  (void)size;
  if (info->dlpi_addr != search->map->l_addr) return 0;
  search->low = UINTPTR_MAX;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
    uintptr_t start = info->dlpi_addr + segment->p_vaddr, end = start + segment->p_memsz;
    if (segment->p_type == PT_GNU_RELRO) search->relro_end = end;
    if (segment->p_type != PT_LOAD) continue;
    if (start < search->low) search->low = start;
    if (end > search->high) search->high = end;
    if (segment->p_flags & PF_W) search->write_low = start, search->write_high = end;
  }
  return 1;
}

/* The program's named variables and arrays, from its dynamic symbol table. */
enum { MAX_OBJECTS = 1024 };

static struct object {
  uintptr_t low;
  size_t size;
  const char *name;
} objects[MAX_OBJECTS];
static size_t object_count;

static const void *dynamic_entry(const struct link_map *map, ElfW(Sxword) tag) {
  for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; ++entry)
    if (entry->d_tag == tag) {
      uintptr_t place = entry->d_un.d_ptr;
      return (const void *)(place < map->l_addr ? place + map->l_addr : place);
    }
  return NULL;
}

static int read_objects(const struct link_map *map) {
  const ElfW(Sym) *symbols = dynamic_entry(map, DT_SYMTAB);
  const char *names = dynamic_entry(map, DT_STRTAB);
  const uint32_t *hash = dynamic_entry(map, DT_HASH); /* buckets, chains (one per symbol), ... */
  object_count = 0;
  if (!symbols || !names || !hash) return sg_violate("program", NULL, 0, "the program has no symbol table");
  for (uint32_t i = 0; i < hash[1] && object_count < MAX_OBJECTS; ++i)
    if (symbols[i].st_size > 0 && symbols[i].st_shndx != SHN_UNDEF && (symbols[i].st_info & 15) == STT_OBJECT)
      objects[object_count++] = (struct object){map->l_addr + symbols[i].st_value, symbols[i].st_size,
                                                names + symbols[i].st_name};
  return 0;
}

static uint32_t constant(const char *name, uint32_t fallback) {
  const uint32_t *value = dlsym(sg_program.handle, name);
  return value ? *value : fallback;
}

static void find_mram(void) {
  const uint8_t *low = dlsym(sg_program.handle, "sg_mram_low"), *high = dlsym(sg_program.handle, "sg_mram_high");
  const uint8_t *const *first = (const uint8_t *const *)(const void *)low;
  const uint8_t *const *last = (const uint8_t *const *)(const void *)high;
  sg_program.mram_low = first ? (uintptr_t)*first : 0;
  sg_program.mram_high = last ? (uintptr_t)*last : 0;
}

/* The linker puts the MRAM section at the start or the end of the writable segment: what is left is WRAM. */
static void find_data(const struct search *found) {
  uintptr_t low = found->relro_end > found->write_low ? found->relro_end : found->write_low;
  uintptr_t high = found->write_high;
  if (sg_program.mram_high > sg_program.mram_low) {
    if (sg_program.mram_low - low < high - sg_program.mram_high) low = sg_program.mram_high;
    else high = sg_program.mram_low;
  }
  sg_program.data_low = low;
  sg_program.data_high = high < low ? low : high;
}

static int check_sizes(void) {
  uint64_t stacks = (uint64_t)sg_program.tasklets * sg_program.stack;
  uint64_t fixed = sg_global_bytes() + stacks + sg_limits.wram_reserved;
  if (sg_program.tasklets < 1 || sg_program.tasklets > sg_limits.max_tasklets || sg_program.tasklets > SG_MAX_TASKLETS)
    return sg_violate("tasklets", NULL, 0, "the program asks for %u tasklets, a DPU has %llu", sg_program.tasklets,
                      (unsigned long long)sg_limits.max_tasklets);
  if (fixed > sg_limits.wram_bytes)
    return sg_violate("wram-capacity", NULL, 0,
                      "variables %llu B + %u stacks of %u B + reserved %llu B = %llu B, WRAM has %llu B",
                      (unsigned long long)sg_global_bytes(), sg_program.tasklets, sg_program.stack,
                      (unsigned long long)sg_limits.wram_reserved, (unsigned long long)fixed,
                      (unsigned long long)sg_limits.wram_bytes);
  if (sg_mram_bytes_used() > sg_limits.mram_bytes)
    return sg_violate("mram-capacity", NULL, 0, "the program's MRAM arrays take %llu B, MRAM has %llu B",
                      (unsigned long long)sg_mram_bytes_used(), (unsigned long long)sg_limits.mram_bytes);
  return 0;
}

int sg_load_program(const char *path) {
  if (sg_program.handle && strcmp(path, sg_program.path) == 0) return 0;
  sg_unload_program();
  sg_program.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!sg_program.handle) return sg_violate("program", NULL, 0, "%s", dlerror());
  snprintf(sg_program.path, sizeof sg_program.path, "%s", path);
  sg_program.entry = (int (*)(void))dlsym(sg_program.handle, "main");
  struct search found = {0};
  struct link_map *map = NULL;
  if (!sg_program.entry || dlinfo(sg_program.handle, RTLD_DI_LINKMAP, &map) != 0)
    return sg_violate("program", NULL, 0, "%s has no main", path);
  found.map = map;
  dl_iterate_phdr(read_segments, &found);
  sg_program.image_low = found.low, sg_program.image_high = found.high;
  sg_program.tasklets = constant("sg_program_tasklets", 1);
  sg_program.stack = constant("sg_program_stack", (uint32_t)sg_limits.stack_bytes);
  if (read_objects(map)) return -1;
  find_mram();
  find_data(&found);
  return check_sizes();
}

void sg_unload_program(void) {
  if (sg_program.handle) dlclose(sg_program.handle);
  memset(&sg_program, 0, sizeof sg_program);
}

uint64_t sg_mram_bytes_used(void) { return sg_program.mram_high - sg_program.mram_low; }
uint64_t sg_global_bytes(void) { return sg_program.data_high - sg_program.data_low; }

unsigned long sg_line(const void *pc) { return pc ? (unsigned long)((uintptr_t)pc - 1 - sg_program.image_low) : 0; }

bool sg_symbol(uintptr_t address, uintptr_t *low, uintptr_t *high, const char **name) {
  static size_t last;
  if (last >= object_count || address - objects[last].low >= objects[last].size)
    for (last = 0; last < object_count && address - objects[last].low >= objects[last].size; ++last) {
    }
  if (last >= object_count) return false;
  *low = objects[last].low, *high = *low + objects[last].size, *name = objects[last].name;
  return true;
}
