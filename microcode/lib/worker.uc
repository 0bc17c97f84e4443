// Which worker forwards a packet: a function of the upper 6 bits of its flow's hash (lib/flow_key.uc). The flow table's
// group is made of at least these bits (services/forward/flow.uc), so one microengine alone touches a group.

#ifndef WORKER_UC
#define WORKER_UC

#include "structures.uc"

#define WORKER_HASH_BITS 6

// The worker of a hash: (upper bits * workers) >> bits.
//   out_worker   register, 0..ENGINES_FORWARD-1
//   in_hash      register
//   cycles       1 to 4
#macro worker_of(out_worker, in_hash)
#if (ENGINES_FORWARD == 1)
    immed[out_worker, 0]
#elif (ENGINES_FORWARD == 2 || ENGINES_FORWARD == 4)
    alu_shf[out_worker, --, B, in_hash, >>(32 - log2(ENGINES_FORWARD))]
#else
.reg upper
    alu_shf[upper, --, B, in_hash, >>(32 - WORKER_HASH_BITS)]
#if (ENGINES_FORWARD == 5)
    alu_shf[out_worker, --, B, upper, <<2]
    alu[out_worker, out_worker, +, upper]
    alu_shf[out_worker, --, B, out_worker, >>WORKER_HASH_BITS]
#else                                   // 3 or 6
    alu_shf[out_worker, --, B, upper, <<1]
    alu[out_worker, out_worker, +, upper]
    alu_shf[out_worker, --, B, out_worker, >>(WORKER_HASH_BITS - log2(ENGINES_FORWARD / 3))]
#endif
#endif
#endm

#endif
