// Registers and buffers of the media interface as seen by msf commands, and how DRAM commands refer to RBUF and TBUF.

#ifndef MEDIA_UC
#define MEDIA_UC

#ifdef MSF_ELEMENT_BYTES
#if (MSF_ELEMENT_BYTES != 64 || MSF_TBUF_BYTES != 8192)
#error "receive and transmit are written for hardware.msf.element_bytes = 64 and hardware.msf.tbuf_bytes = 8192"
#endif
#ifdef MSF_CHANNELS
#if (MSF_CHANNELS != 1)
#error "receive and transmit serve one SPI-3 channel: hardware.msf.channels = 1"
#endif
#endif
#endif

#define MSF_RX_THREAD_FREELIST_0 0x30
#define MSF_RBUF_ELEMENT_DONE 0x44
#define MSF_TX_SEQUENCE_0 0x60
#define MSF_TBUF_CONTROL 0x1800         // 8 bytes an element
#define MSF_BUFFERS 0x2000              // RBUF when read, TBUF when written

#define ELEMENT_BITS 6                  // 64 bytes
#define ELEMENT_BYTES 64
#define ELEMENT_QUADWORDS 8
#define TBUF_ELEMENTS 128

// Receive status, first longword.
#define STATUS_SOP 15
#define STATUS_EOP 14
#define STATUS_WHOLE_FRAME 0xC0         // bits 15:8 of an mpacket that is a frame, without error
#define STATUS_ERRORS 0x1F              // of bits 15:8: SOP, null, receive, parity and RBUF parity error

// Transmit control, first longword.
#define CONTROL_SOP 0x200
#define CONTROL_EOP 0x100

// The part of an indirect_ref word that is the same for all elements: take the buffer address, which is the start of
// the buffers; element n adds n << MEDIA_REFERENCE_SHIFT.
#define MEDIA_REFERENCE ((MSF_BUFFERS << 5) | (1 << 4))
#define MEDIA_REFERENCE_SHIFT (ELEMENT_BITS + 5)

// Load a constant of more than 16 bits.
//   out          register
//   VALUE        32 bits
//   cycles       2
#macro load_constant(out, VALUE)
    immed[out, ((VALUE) & 0xFFFF)]
    immed_w1[out, (((VALUE) >> 16) & 0xFFFF)]
#endm

// The word that puts this context on the list of threads waiting for an mpacket, for msf[fast_wr].
//   out          register
//   in_engine, in_context  registers, from identify
//   STATUS_XFER  the transfer register that takes the first status longword
//   STATUS_SIG   the signal set with it
//   cycles       5
#macro freelist_entry(out, in_engine, in_context, STATUS_XFER, STATUS_SIG)
    immed[out, (((&STATUS_SIG) << 12) | (&STATUS_XFER))]
    alu_shf[out, out, OR, in_context, <<4]
    alu_shf[out, out, OR, in_engine, <<7]
    alu_shf[out, --, B, out, <<16]
    alu[out, out, OR, MSF_RX_THREAD_FREELIST_0]
#endm

#endif
