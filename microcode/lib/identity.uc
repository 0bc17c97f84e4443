// Who executes: the fields of ACTIVE_CTX_STS.

#ifndef IDENTITY_UC
#define IDENTITY_UC

// The microengine's number in the chip, cluster * 4 + number in the cluster, and the context's.
//   out_engine, out_context  registers, 0..7
//   cycles                   6
#macro identify(out_engine, out_context)
.reg status cluster
    local_csr_rd[active_ctx_sts]
    immed[status, 0]
    alu[out_context, 7, AND, status]
    alu_shf[cluster, 4, AND, status, >>5]
    alu_shf[out_engine, 3, AND, status, >>3]
    alu[out_engine, out_engine, OR, cluster]
#endm

#endif
