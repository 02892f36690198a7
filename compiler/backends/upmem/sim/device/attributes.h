/* Device-side placement attributes, as the simulator understands them. */
#ifndef SG_DEVICE_ATTRIBUTES_H
#define SG_DEVICE_ATTRIBUTES_H

/* MRAM arrays take address space here, but no memory: each DPU has its own image, reached by DMA only. `nobits`
   keeps them out of the file; the comment mark hides the flags that the compiler appends by itself. */
#if defined(__x86_64__) || defined(__i386__)
#define SG_MRAM_SECTION "sg_mram,\"aw\",@nobits#"
#else
#define SG_MRAM_SECTION "sg_mram,\"aw\",%nobits//"
#endif

#define __mram_ptr
#define __mram_noinit __attribute__((section(SG_MRAM_SECTION), aligned(8)))
#define __dma_aligned __attribute__((aligned(8)))
#define __host __attribute__((visibility("default"), aligned(8)))

#endif
