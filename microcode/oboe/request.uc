// Strict operations, the caller's side: what the stub of an operation does. docs/oboe.md, section 4.
//
// A request is eight longwords on the request ring: {chip 31:24, operation 23:16, INTERTHREAD_SIG value of the caller
// 11:0}, entry, four inputs, 0, 0. The caller sleeps until the answer lies in `replies` and the signal comes.

#ifndef OBOE_REQUEST_UC
#define OBOE_REQUEST_UC

#include "structures.uc"

.reg @caller @first_reply               // chip and microengine as in a request; the microengine's first element of replies

// Once per context.
//   in_engine    register: number of the microengine
//   in_chip      register
//   cycles       8
#macro requests_begin(in_engine, in_chip)
.reg value cluster
    alu_shf[value, --, B, in_engine, <<3]
    alu[@first_reply, --, B, value]
    alu_shf[cluster, 1, AND, in_engine, >>2]
    alu_shf[value, 3, AND, in_engine, >>0]
    alu_shf[value, value, OR, cluster, <<4]
    alu_shf[value, --, B, value, <<7]
    alu_shf[value, value, OR, in_chip, <<24]
    alu[@caller, --, B, value]
#endm

// Longword 0 of a request of this context, and its element of `replies`.
//   out_caller, out_reply  registers
//   OPERATION    number of the operation
//   SIGNAL       the signal that the answer sets
//   cycles       8
#macro request_caller(out_caller, out_reply, OPERATION, SIGNAL)
    local_csr_rd[active_ctx_sts]
    immed[out_reply, 0]
    alu[out_reply, 7, AND, out_reply]
    immed[out_caller, OPERATION, <<16]
    alu_shf[out_caller, out_caller, OR, out_reply, <<4]
    alu[out_caller, out_caller, OR, (&SIGNAL)]
    alu[out_caller, out_caller, OR, @caller]
    alu[out_reply, out_reply, OR, @first_reply]
#endm

#endif
