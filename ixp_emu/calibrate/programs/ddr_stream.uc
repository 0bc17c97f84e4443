// Streams of DRAM commands that bring the controller's rules to their edges. Every context begins elsewhere and steps on.
//
//   READ, WRITE              1: one quadword from or to the ME in every round
//   MOVE_IN, MOVE_OUT        1: 16 quadwords from RBUF, to TBUF
//   START_SHIFT, STEP        contexts begin 1 << START_SHIFT bytes apart and step by STEP bytes after each command

#include "builtin:lib/identity.uc"

.reg engine context address step reference
.reg $$data[2]
.sig done
.set $$data[0], $$data[1]
    identify(engine, context)
    alu_shf[address, context, OR, engine, <<3]
    alu_shf[address, --, B, address, <<START_SHIFT]
    immed[step, STEP]
    immed[reference, 0x0010]
    immed_w1[reference, ((1 << 2) | (15 << 5) | (1 << 9))]     // start of the media buffers, count 16
again#:
#if (MOVE_IN)
    alu[--, --, B, reference]
    dram[rbuf_rd, --, address, 0, max_16], indirect_ref, ctx_swap[done]
    alu[address, address, +, step]
#endif
#if (READ)
    dram[read, $$data[0], address, 0, 1], ctx_swap[done]
    alu[address, address, +, step]
#endif
#if (MOVE_OUT)
    alu[--, --, B, reference]
    dram[tbuf_wr, --, address, 0, max_16], indirect_ref, ctx_swap[done]
    alu[address, address, +, step]
#endif
#if (WRITE)
    dram[write, $$data[0], address, 0, 1], ctx_swap[done]
    alu[address, address, +, step]
#endif
    br[again#]
