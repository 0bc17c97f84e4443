// Sends frames of one element. Context c owns the elements c, c + 8, ...: it validates one as soon as the hardware has
// sent what was in it a round before. All 128 elements then leave in order.
//
//   BYTES   of a frame, at most 64
//   PORTS   context c sends to port c modulo PORTS, a power of two

#include "builtin:lib/media.uc"

.reg context at index in_use step wrap base
.reg read $sequence
.reg write $control[2]
.sig looked, written
    local_csr_rd[active_ctx_sts]
    immed[context, 0]
    alu[context, 7, AND, context]
    alu[index, --, B, context]
    immed[base, MSF_TBUF_CONTROL]
    immed[wrap, 0x3FF]
    alu[at, (PORTS - 1), AND, context]
    immed[step, 3]                          // SOP and EOP
    immed_w1[step, BYTES]
    alu_shf[$control[0], at, OR, step, <<8]
    immed[$control[1], 0]
    alu_shf[at, --, B, context, <<3]
look#:
    msf[read, $sequence, MSF_TX_SEQUENCE_0, 0, 1], ctx_swap[looked]
    alu[in_use, index, -, $sequence]
    alu[in_use, 0xFF, AND, in_use]          // elements from the next to be sent to this one
    br_bset[in_use, 7, look#]               // 128 or more: it still holds the frame of a round before
    msf[write, $control[0], at, base, 2], ctx_swap[written], defer[2]
    alu[index, index, +, 8]
    alu[at, at, +, 64]
    br[look#], defer[1]
    alu[at, at, AND, wrap]
