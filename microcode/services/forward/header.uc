// The checks of an IPv4 header, in the order of RFC 1812, section 5.2.2.

#ifndef HEADER_UC
#define HEADER_UC

#include "../../lib/structures.uc"
#include "../../lib/checksum.uc"
#include "../../lib/flow_key.uc"

#define ETHERNET_BYTES 14

// Rules not_ipv4 and bad_header.
//   out_options  register: longwords of options, 0..10
//   out_total    register: IPv4 total length in bytes
//   out_header   register: header length in bytes
//   in_type      register: longword 3 of the frame (EtherType, version and header length, type of service)
//   in_length    register: longword 4 (total length, identification)
//   in_frame     register: frame length in bytes
//   reason       register that receives DROP_*; DROP# is the label to branch to
//   cycles       19
#macro check_header(out_options, out_total, out_header, in_type, in_length, in_frame, reason, DROP)
.reg room
    immed[reason, DROP_NOT_IPV4]
    br!=byte[in_type, 3, 0x08, DROP]
    br!=byte[in_type, 2, 0x00, DROP]
    immed[reason, DROP_BAD_HEADER]
    alu[room, in_frame, -, (ETHERNET_BYTES + HEADER_BYTES)]
    blo[DROP], defer[2]
    alu_shf[out_options, 0xFF, AND, in_type, >>8]
    alu_shf[out_total, --, B, in_length, >>16]
    alu[out_options, out_options, -, PLAIN_HEADER]
    blo[DROP], defer[1]
    alu[room, room, +, HEADER_BYTES]
    alu[--, MOST_OPTIONS, -, out_options]
    blo[DROP], defer[2]
    alu_shf[out_header, --, B, out_options, <<2]
    alu[out_header, out_header, +, HEADER_BYTES]
    alu[--, out_total, -, out_header]
    blo[DROP]
    alu[--, room, -, out_total]
    blo[DROP]
#endm

// The checksum after the TTL went down by 1 (RFC 1624, equation 3): HC' = ~(~HC + ~m + m'), where ~m + m' = 0xFEFF.
//   io_checksum  register: longword 6 of the frame; the checksum is its bits 31:16
//   cycles       8
#macro checksum_after_ttl(io_checksum)
.reg sum step
    alu_shf[sum, --, ~B, io_checksum, >>16]
    ld_field_w_clr[sum, 0011, sum]
    immed[step, 0xFEFF]
    alu[sum, sum, +, step]
    fold(sum)
    alu[sum, --, ~B, sum]
    ld_field[io_checksum, 1100, sum, <<16]
#endm

#endif
