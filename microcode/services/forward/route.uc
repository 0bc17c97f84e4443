// The longest-prefix match: a trie over 16, 8 and 8 bits of the destination (layout: oracle.py, build_route_table),
// and the next hops, four longwords each: the 12 address bytes as they stand in a frame, then the egress port.

#ifndef ROUTE_UC
#define ROUTE_UC

.structure route_table element_bytes=4 count=(ROUTE_WORDS) align=8 access=read sharing=chip
.structure next_hops element_bytes=16 count=(NEXT_HOPS) align=8 access=read sharing=chip

#define POINTER 31

// One step down the trie, unless the entry is a leaf.
//   io_entry     register
//   in_address   register
//   SHIFT        8 or 0: the address bits that index the block
//   LEAF#        label to branch to with a leaf
//   cycles       5, and a read
#macro route_step(io_entry, in_address, SHIFT, LEAF)
.reg index
.state_xfer block[1] route_table
    br_bclr[io_entry, POINTER, LEAF]
    alu_shf[index, io_entry, AND~, 1, <<POINTER]
#if (SHIFT == 0)
    ld_field_w_clr[io_entry, 0001, in_address]
#else
    ld_field_w_clr[io_entry, 0001, in_address, >>SHIFT]
#endif
    alu[index, index, +, io_entry]
    state_read[block, route_table, index, 0, 1]
    alu[io_entry, --, B, block[0]]
#endm

// Look a destination up.
//   out_hop      register: index of the next hop + 1, 0 for no route
//   in_address   register
//   cycles       12 and 3 reads, or 4 and one for a prefix of at most 16 bits
#macro route_lookup(out_hop, in_address)
.begin
.reg index
.state_xfer block[1] route_table
    alu_shf[index, --, B, in_address, >>16]
    state_read[block, route_table, index, 0, 1]
    alu[out_hop, --, B, block[0]]
.end
    route_step(out_hop, in_address, 8, leaf#)
    route_step(out_hop, in_address, 0, leaf#)
leaf#:
#endm

#endif
