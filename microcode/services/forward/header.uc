// The checks of an IPv4 header, in the order of RFC 1812, section 5.2.2.

#ifndef HEADER_UC
#define HEADER_UC

#include "../../lib/structures.uc"
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

// Ones' complement sum, begun with longwords 3 to 7 of the frame: the header's first 18 bytes.
//   out_sum      register; the carry is clear afterwards
//   in_type .. in_addresses  registers: longwords 3, 4, 5, 6, 7
//   cycles       6
#macro sum_begin(out_sum, in_type, in_length, in_fragment, in_checksum, in_addresses)
.reg first
    ld_field_w_clr[first, 0011, in_type]
    alu[out_sum, in_length, +, in_fragment]
    alu[out_sum, out_sum, +carry, in_checksum]
    alu[out_sum, out_sum, +carry, in_addresses]
    alu[out_sum, out_sum, +carry, first]                // 16 bits, so that adding the carry cannot carry again
    alu[out_sum, out_sum, +carry, 0]
#endm

// Ones' complement sum, ended with the header's last two bytes and folded to 16 bits.
//   io_sum       register
//   in_last      register: the header's last two bytes are its bits 31:16
//   cycles       7
#macro sum_end(io_sum, in_last)
.reg tail
    alu_shf[tail, --, B, in_last, >>16]
    alu[io_sum, io_sum, +, tail]
    alu[io_sum, io_sum, +carry, 0]
    fold(io_sum)
    fold(io_sum)
#endm

// Add the upper 16 bits of a sum to the lower ones.
//   io_sum       register
//   cycles       2
#macro fold(io_sum)
.reg upper
    alu_shf[upper, --, B, io_sum, >>16]
    alu[io_sum, upper, +16, io_sum]
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
