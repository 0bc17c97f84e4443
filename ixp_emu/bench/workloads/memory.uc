// Memory-bound: every context reads one unit, sleeps until it is there, and executes ten instructions to the next read.
// Contexts begin BLOCK bytes apart and step by STRIDE bytes, below LIMIT (a power of two).

#include "builtin:lib/identity.uc"

.reg engine context address stride limit sum
.sig done
    identify(engine, context)
    alu_shf[address, context, OR, engine, <<3]
    alu_shf[address, --, B, address, <<BLOCK_BITS]
    immed[stride, STRIDE]
    immed[limit, 1]
    alu_shf[limit, --, B, limit, <<LIMIT_BITS]
    alu[limit, limit, -, 1]
    immed[sum, 0]
#if (DRAM)
.reg read $$data[2]
#define DATA $$data[0]
#else
.reg read $data
#define DATA $data
#endif
loop#:
#if (SCRATCH)
    scratch[read, $data, address, 0, 1], ctx_swap[done]
#elif (SRAM)
    sram[read, $data, address, 0, 1], ctx_swap[done]
#else
    dram[read, $$data[0], address, 0, 1], ctx_swap[done]
#endif
    alu[sum, sum, +, DATA]
    alu[address, address, +, stride]
    alu[address, address, AND, limit]
    alu_shf[sum, context, OR, sum, <<1]
    alu[sum, sum, +, 3]
    alu_shf[sum, --, B, sum, >>rot7]
    alu[sum, sum, XOR, context]
    alu[sum, sum, +, engine]
    alu_shf[sum, sum, OR, context, <<4]
    br[loop#]
