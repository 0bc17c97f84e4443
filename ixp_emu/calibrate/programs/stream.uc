// Every context repeats one command without end, each at its own place in the memory.
//
//   COMMAND      the command and what waits for it; its address is `address`
//   BASE         added to every address (bit 30: SRAM channel 1)
//   START_SHIFT  contexts begin 1 << START_SHIFT bytes apart
//   STEP         bytes from one command of a context to the next

#include "builtin:lib/identity.uc"

.reg engine context address step base
.reg $data[8] $$data[16]
.sig done
.set $data[0], $data[1], $data[2], $data[3], $data[4], $data[5], $data[6], $data[7]
.set $$data[0], $$data[1], $$data[2], $$data[3], $$data[4], $$data[5], $$data[6], $$data[7]
.set $$data[8], $$data[9], $$data[10], $$data[11], $$data[12], $$data[13], $$data[14], $$data[15]
    identify(engine, context)
    alu_shf[address, context, OR, engine, <<3]
    alu_shf[address, --, B, address, <<START_SHIFT]
    immed[base, (BASE & 0xFFFF)]
    immed_w1[base, ((BASE >> 16) & 0xFFFF)]
    alu[address, address, +, base]
    immed[step, STEP]
again#:
    COMMAND
    br[again#], defer[1]
    alu[address, address, +, step]
