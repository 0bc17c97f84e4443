// Intrusion detection. oracle.py says the same in Python, without a table.

#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define ETHERNET_BYTES 14
#define TCP_HEADER_BYTES 20
#define UDP_HEADER_BYTES 8
#define OFFSET_BYTE 24                  // of the frame, without the IPv4 header between: the longword of TCP's data offset
#define OUTPUT 31
#define UPDATE_AT 42                    // where the payload of an update begins: no options of IPv4
#define UPDATE_BYTES 10                 // 2 that say nothing, the state, its policy

#macro service_new_flow()
    scan_begin(flow)
#endm

#macro service_evict()
#endm

// Where the payload lies in the frame.
//   out_at       register: its first byte
//   out_left     register: bytes, 0 or less for none
//   in_protocol  register, bits 7:0
#macro payload_of(out_at, out_left, in_protocol)
.reg word8 header length fragment place
    packet_read(word8, header, length, fragment, 8)
    alu_shf[out_left, --, B, length, >>16]
    alu_shf[header, 0x3C, AND, header, >>6]
    alu[out_left, out_left, -, header]
    alu[out_at, header, +, ETHERNET_BYTES]
    br=byte[in_protocol, 0, PROTOCOL_TCP, tcp#]
    br!=byte[in_protocol, 0, PROTOCOL_UDP, found#]
    alu[--, out_left, -, UDP_HEADER_BYTES]
    blt[found#]
    immed[length, UDP_HEADER_BYTES]
    br[skip#]
tcp#:
    alu[--, out_left, -, TCP_HEADER_BYTES]
    blt[found#]
    alu[header, header, +, OFFSET_BYTE]
    alu[place, header, AND~, 7]
    packet_read(word8, length, fragment, place, place)
    br_bset[header, 2, odd#]
    alu[length, --, B, word8]
odd#:
    alu_shf[length, 0x3C, AND, length, >>10]
skip#:
    alu[out_at, out_at, +, length]
    alu[out_left, out_left, -, length]
found#:
#endm

// One byte through the automaton.
//   io_state     register
//   in_byte      register
//   verdict      changes with the policy
#macro automaton_step(io_state, in_byte)
.reg index step action
#if (ROOT_BITMAP)
    alu[--, --, B, io_state]
    bne[step#]
    alu_shf[index, --, B, in_byte, >>5]
    root_test(index, in_byte, action)
    alu[--, --, B, action]
    beq[stepped#]
step#:
#endif
    alu_shf[index, in_byte, OR, io_state, <<8]
    rule_step(index, step)
    ld_field_w_clr[io_state, 0011, step]
    br_bclr[step, OUTPUT, stepped#]
    alert_count(io_state)
    policy_of(io_state, action)
    alu[--, --, B, action]
    beq[stepped#]
    immed[verdict, VERDICT_BLOCKED]
stepped#:
#endm

// Branch unless the packet is UDP to the port of updates.
//   in_direction, in_ports  registers: of packet_key
//   OTHER#       label
#macro policy_port_else(in_direction, in_ports, OTHER)
.reg port wanted
    br!=byte[in_direction, 0, PROTOCOL_UDP, OTHER]
    br_bset[in_direction, 16, changed#], defer[1]
    alu_shf[port, --, B, in_ports, >>16]
    ld_field_w_clr[port, 0011, in_ports]
changed#:
    immed[wanted, POLICY_PORT]
    alu[--, wanted, XOR, port]
    bne[OTHER]
#endm

// An update of the policy: what is none in spite of its port, changes nothing.
//   in_at, in_left  registers: of payload_of
#macro policy_update(in_at, in_left)
.reg state action rest limit
    alu[--, in_at, -, UPDATE_AT]
    bne[none#]
    alu[--, in_left, -, UPDATE_BYTES]
    blt[none#]
    packet_read(rest, state, action, limit, 40)
    immed[limit, ALERT_STATES]
    alu[--, state, -, limit]
    bhs[none#]
    policy_set(state, action)
none#:
#endm

#macro service_packet()
.reg at left direction state
.begin
.reg low high ports
    packet_key(low, high, ports, direction)
    payload_of(at, left, direction)
#if (POLICY_PORT)
    policy_port_else(direction, ports, other#)
    policy_update(at, left)
    br[scanned#]
other#:
#endif
.end
    alu[--, left, -, 1]
    blt[scanned#]
    scan_find(flow, direction, state)

// 16 bytes at a time; the longword in hand is shifted up byte by byte, the others behind it.
.begin
.reg word next second third in_hand longwords byte
    alu[longwords, --, B, 4]
    alu[byte, at, AND, 7]
    alu[at, at, AND~, 7]
    packet_read(word, next, second, third, at)
    alu[at, at, +, 16]
    br_bclr[byte, 2, first#]
    alu[word, --, B, next]
    alu[next, --, B, second]
    alu[second, --, B, third]
    immed[longwords, 3]
first#:
    alu[in_hand, 3, AND, byte]
    alu_shf[byte, --, B, in_hand, <<3]
    alu[in_hand, 4, -, in_hand]
    alu[--, byte, OR, 0]
    alu_shf[word, --, B, word, <<indirect]
byte#:
    alu_shf[byte, --, B, word, >>24]
    alu_shf[word, --, B, word, <<8]
    automaton_step(state, byte)
    alu[left, left, -, 1]
    beq[end#]
    alu[in_hand, in_hand, -, 1]
    bne[byte#]
    immed[in_hand, 4]
    alu[longwords, longwords, -, 1]
    beq[more#]
    alu[word, --, B, next]
    alu[next, --, B, second]
    br[byte#], defer[1]
    alu[second, --, B, third]
more#:
    packet_read(word, next, second, third, at)
    alu[at, at, +, 16]
    immed[longwords, 4]
    br[byte#]
end#:
.end
    scan_keep(flow, direction, state)
scanned#:
#endm
