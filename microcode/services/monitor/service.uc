// Network monitoring. oracle.py says the same in Python.

#if ((SKETCH_CELLS & (SKETCH_CELLS - 1)) != 0 || SKETCH_CELLS < 8 || SKETCH_CELLS > (1 << 24))
#error "a sketch of SKETCH_CELLS cells: must be a power of two from 8 to 16,777,216"
#endif
#define COLUMN_BITS (log2(SKETCH_CELLS) - 2)

#define PROTOCOL_ICMP 1
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define TOTAL_TCP 0
#define TOTAL_UDP 1
#define TOTAL_ICMP 2
#define TOTAL_OTHER 3

#define TCP_HEADER_BYTES 20
#define FLAGS_BYTE (14 + 13)            // of the frame, without the IPv4 header between

#macro service_new_flow()
    flow_begin(flow)
#endm

// The flags of a whole TCP header, 0 for all else.
//   out_flags    register
//   in_protocol  register, bits 7:0
//   in_length    register: IPv4 total length
//   in_header    register: bytes 15:8 are version and header length
#macro tcp_flags(out_flags, in_protocol, in_length, in_header)
.reg word0 word1 word2 word3 at header_bytes rest
    immed[out_flags, 0]
    br!=byte[in_protocol, 0, PROTOCOL_TCP, read#]
    alu_shf[header_bytes, 0x3C, AND, in_header, >>6]
    alu[rest, in_length, -, header_bytes]
    alu[--, rest, -, TCP_HEADER_BYTES]
    blt[read#]
    alu[header_bytes, header_bytes, +, FLAGS_BYTE]
    alu[at, header_bytes, AND~, 7]
    packet_read(word0, word1, word2, word3, at)
    br_bclr[header_bytes, 2, even#]             // the flags are the last byte of a longword
    alu[word0, --, B, word1]
even#:
    ld_field_w_clr[out_flags, 0001, word0]
read#:
#endm

// The element of the totals.
//   out_total    register
//   in_protocol  register, bits 7:0
#macro total_of(out_total, in_protocol)
    br=byte[in_protocol, 0, PROTOCOL_TCP, known#], defer[1]
    immed[out_total, TOTAL_TCP]
    br=byte[in_protocol, 0, PROTOCOL_UDP, known#], defer[1]
    immed[out_total, TOTAL_UDP]
    br=byte[in_protocol, 0, PROTOCOL_ICMP, known#], defer[1]
    immed[out_total, TOTAL_ICMP]
    immed[out_total, TOTAL_OTHER]
known#:
#endm

// The flow's cell in each row.
//   out_cell0 .. out_cell3  registers
#macro sketch_cells(out_cell0, out_cell1, out_cell2, out_cell3)
.reg hash0 hash1 hash2
    packet_hash(hash0, hash1, hash2)
    alu_shf[out_cell0, --, B, hash0, >>(32 - COLUMN_BITS)]
    alu_shf[out_cell1, --, B, hash1, >>(32 - COLUMN_BITS)]
    alu_shf[out_cell1, out_cell1, OR, 1, <<COLUMN_BITS]
    alu_shf[out_cell2, --, B, hash2, >>(32 - COLUMN_BITS)]
    alu_shf[out_cell2, out_cell2, OR, 2, <<COLUMN_BITS]
    alu_shf[out_cell3, --, B, hash2, <<(32 - COLUMN_BITS)]
    alu_shf[out_cell3, --, B, out_cell3, >>(32 - COLUMN_BITS)]
    alu_shf[out_cell3, out_cell3, OR, 3, <<COLUMN_BITS]
#endm

#macro service_packet()
.reg length
.begin
.reg low high ports protocol flags total header word0 fragment
    packet_key(low, high, ports, protocol)
    packet_read(word0, header, length, fragment, 8)
    alu_shf[length, --, B, length, >>16]
    tcp_flags(flags, protocol, length, header)
    flow_count(flow, length, flags)
    total_of(total, protocol)
    total_count(total, length)
.end
.begin
.reg cell0 cell1 cell2 cell3
    sketch_cells(cell0, cell1, cell2, cell3)
#if (CONSERVATIVE)
.reg estimate
    conservative_count(cell0, cell1, cell2, cell3, length, estimate)
#else
    sketch_count(cell0, length)
    sketch_count(cell1, length)
    sketch_count(cell2, length)
    sketch_count(cell3, length)
#endif
.end
#endm

#macro service_evict()
#endm
