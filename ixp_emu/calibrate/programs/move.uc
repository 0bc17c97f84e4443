// Every context moves 16 quadwords after the other between DRAM and the media buffers; the 64 contexts of a chip move
// one sequential stream.
//
//   MOVE   rbuf_rd or tbuf_wr

#include "builtin:lib/identity.uc"

.reg engine context address step reference
.sig moved
    identify(engine, context)
    alu_shf[address, context, OR, engine, <<3]
    alu_shf[address, --, B, address, <<7]
    immed[step, 8192]
    immed[reference, 0x0010]
    immed_w1[reference, ((1 << 2) | (15 << 5) | (1 << 9))]     // start of the buffers, count 16
again#:
    alu[--, --, B, reference]
    dram[MOVE, --, address, 0, max_16], indirect_ref, ctx_swap[moved]
    br[again#], defer[1]
    alu[address, address, +, step]
