// A counting Bloom filter of 10 probes, asked by one thread: each probe takes 9 bits of a hash as the index of a counter
// and goes on while counters are not 0 (here they never are). The cycles of a lookup go to local memory behind the filter.
//
//   LOCAL   1: the counters are in local memory; 0: in SRAM, shared by all microengines

#define PROBES 10
#define COUNTERS 512                    // a longword each
#define OFFSET_MASK 0x7FC               // byte offset of a counter

.reg hash offset start end mask
.reg read $counter
.sig done
    immed[mask, OFFSET_MASK]
    immed[hash, 0x9E37]
    immed_w1[hash, 0x79B9]
    local_csr_rd[profile_count]
    immed[start, 0]
#repeat (PROBES)
    alu[offset, mask, AND, hash]
#if (LOCAL)
    local_csr_wr[active_lm_addr_0, offset]
    alu_shf[hash, --, B, hash, >>rot3]  // the next probe's bits; LM_ADDR takes three instructions
    nop
    nop
    alu[--, --, B, *l$index0]
#else
    sram[read, $counter, offset, 0, 1], ctx_swap[done], defer[1]
    alu_shf[hash, --, B, hash, >>rot3]
    alu[--, --, B, $counter]
#endif
    beq[absent#]
#endloop
    local_csr_rd[profile_count]
    immed[end, 0]
    immed[offset, (COUNTERS * 4)]
    local_csr_wr[active_lm_addr_0, offset]
    alu[end, end, -, start]
    alu[end, end, -, 2]                 // the stamp's own instructions
    nop
    alu[*l$index0, --, B, end]
absent#:
    ctx_arb[kill]
