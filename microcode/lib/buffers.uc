// Packet buffers and the ring of free ones, the same for all programs that move frames.

#ifndef BUFFERS_UC
#define BUFFERS_UC

// Packet buffers. Receive moves frames into them and transmit out of them without passing a microengine (rbuf_rd,
// tbuf_wr), which only DRAM can do. A buffer's handle is its number; 0 is no buffer, so there is one more than handles.
#ifndef BUFFERS
#define BUFFERS 400
#endif
#define BUFFER_BITS 11                  // 2,048 bytes for the frame
#define BUFFER_GRAIN_BITS 7             // and 128 more, the interleave of the DRAM banks, so that frames begin in all banks
#if (BUFFERS < 32 || BUFFERS > 511)
#error "BUFFERS packet buffers: must be 32 to 511, their handles fit a ring of 512 longwords"
#endif
.structure packet_buffers element_bytes=2176 count=(BUFFERS + 1) align=128 access=read,write sharing=chip memory=dram

// Free buffers: a scratch ring with room for all handles.
#define FREE_RING 12
.structure free_ring element_bytes=2048 count=1 align=2048 access=ring ring=FREE_RING prefill=(BUFFERS) sharing=chip

#endif
