// What the stages of a chip share: rings, descriptors, tables. docs/oboe.md, section 2.

#ifndef OBOE_STRUCTURES_UC
#define OBOE_STRUCTURES_UC

// Rings lie at multiples of their size, in this order: the large ones first.
#define TX_RING 6                       // room for a descriptor of every buffer
.structure tx_ring element_bytes=4096 count=1 align=4096 access=ring ring=TX_RING sharing=chip
#ifdef ENGINES_CONTROL
#define REQUEST_RING 8                  // strict operations of this chip's workers, room for one of every context
.structure request_ring element_bytes=2048 count=1 align=2048 access=ring ring=REQUEST_RING sharing=chip
#endif

#define BUFFERS 504
#include "../lib/buffers.uc"
#include "../lib/packet.uc"

#if (ENGINES_RECEIVE != 1 || ENGINES_CLASSIFY != 1 || ENGINES_TRANSMIT != 1)
#error "receive, classify and transmit run on one microengine each"
#endif
#define MAX_WORKERS 5
#ifndef ENGINES_WORKER
#define ENGINES_WORKER 0                // a chip that only dispatches
#endif
#if (ENGINES_WORKER > MAX_WORKERS)
#error "worker on ENGINES_WORKER microengines: at most MAX_WORKERS"
#endif

// Those that may fill have a state input that says "nearly full".
#define CLASSIFY_RING 0
#define WORK_RING 1
#define CONTROL_RING 7                  // messages of the control channel, from receive
#define CALL_RING 9                     // strict operations that other chips ask for
#ifdef ORDER_PINNED
#define WORK_RINGS ENGINES_WORKER
#else
#define WORK_RINGS 1
#endif
.structure classify_ring element_bytes=512 count=1 align=512 access=ring ring=CLASSIFY_RING sharing=chip
#if (ENGINES_WORKER > 0)
.structure work_rings element_bytes=512 count=(WORK_RINGS) align=512 access=ring ring=WORK_RING sharing=chip
#endif
#ifdef ENGINES_CONTROL
#if (ENGINES_CONTROL != 1)
#error "control runs on one microengine"
#endif
.structure control_ring element_bytes=512 count=1 align=512 access=ring ring=CONTROL_RING sharing=chip
.structure call_ring element_bytes=512 count=1 align=512 access=ring ring=CALL_RING sharing=chip
// What strict operations gave back to each context of the chip: 0 or, if the home does not answer, 1; four longwords.
.structure replies element_bytes=32 count=64 align=32 access=read,write sharing=chip
// A bit for each chip that is down.
.structure chips_down element_bytes=4 count=1 align=4 access=read,write sharing=chip
#endif

// Where things begin in a buffer, and the first longword of a descriptor: 31:16 length, 15:9 offset / 64, 8:0 handle.
#define FRAME_OFFSET 64                 // a frame as received; the prefix stands before it
#define PREFIX_BYTES 64
#define OFFSET_SHIFT 9

// What this chip is: its number, the ports with a link (a bit each), the port where packets leave, the home's number.
#define IDENTITY_CHIP 0
#define IDENTITY_LINK_PORTS 1
#define IDENTITY_EGRESS 2
#define IDENTITY_HOME 3
.structure chip_identity element_bytes=16 count=1 align=8 access=read sharing=chip

// The way to each chip: port, then longwords 1 and 2 of the message's Ethernet header, 0.
#define MAX_CHIPS 16
.structure chip_routes element_bytes=16 count=MAX_CHIPS align=8 access=read sharing=chip

// Bundles: state 31:28, worker 27:24, chip 23:16, epoch 15:0; and the slice of those that live here.
#define BUNDLE_BITS 10
#ifdef ENGINES_CONTROL
.structure bundle_table element_bytes=4 count=(1 << BUNDLE_BITS) align=8 access=read,write sharing=chip
.structure bundle_slices element_bytes=4 count=(1 << BUNDLE_BITS) align=8 access=read,write sharing=chip
#else
.structure bundle_table element_bytes=4 count=(1 << BUNDLE_BITS) align=8 access=read sharing=chip
.structure bundle_slices element_bytes=4 count=(1 << BUNDLE_BITS) align=8 access=read sharing=chip
#endif

// Why packets were dropped, the service's reasons behind Oboe's; then the events that drop none.
#define DROP_SHORT 0                    // no room for the headers, or for the length they state
#define DROP_VERSION 1                  // no IPv4, or a header of less than five longwords
#define DROP_CHECKSUM 2                 // of the IPv4 header
#define DROP_FRAGMENT 3
#define DROP_MESSAGE 4                  // from a link, but no message this chip knows
#define DROP_RX_ERROR 5                 // receive error, or longer than a buffer
#define DROP_CLASSIFY_FULL 6            // the ring to classify was nearly full
#define DROP_UNAVAILABLE 7              // the home of a strict state does not answer
#define DROP_CHIP_DOWN 8                // the chip of the bundle is down
#define DROP_LOST 9                     // lost on purpose
#define DROP_SERVICE 10                 // SERVICE_DROPS of them
#define EVENT_NEW_FLOW (DROP_SERVICE + SERVICE_DROPS)
#define EVENT_EXPIRED (EVENT_NEW_FLOW + 1)
#define EVENT_EVICTED (EVENT_NEW_FLOW + 2)
#define EVENT_REFUSED (EVENT_NEW_FLOW + 3)
#define EVENT_CONTROL_FULL (EVENT_NEW_FLOW + 4)
#define EVENT_REPLICA_GAP (EVENT_NEW_FLOW + 5)
#define EVENT_SENT_AGAIN (EVENT_NEW_FLOW + 6)
#define EVENT_CALL_AGAIN (EVENT_NEW_FLOW + 7)
#define EVENT_CALL_GIVEN_UP (EVENT_NEW_FLOW + 8)
#define EVENT_CALL_REPEATED (EVENT_NEW_FLOW + 9)
#define EVENT_CALL_STALE (EVENT_NEW_FLOW + 10)
#define EVENT_REPLY_LATE (EVENT_NEW_FLOW + 11)
#define EVENT_BUNDLE_RESTARTED (EVENT_NEW_FLOW + 12)
#define EVENT_BUNDLE_NO_SLICE (EVENT_NEW_FLOW + 13)
.structure oboe_counters element_bytes=4 count=(EVENT_NEW_FLOW + 14) align=4 access=add sharing=chip

// Which of its program's microengines a microengine is, by its number in the chip: the loader fills it.
.structure engine_index element_bytes=4 count=8 align=8 access=read sharing=chip

// The handle in a descriptor, and the DRAM address of what it describes.
//   out_place, out_handle  registers
//   in_descriptor          register
//   in_buffers             register: address of packet_buffers
//   cycles                 10
#macro descriptor_place(out_place, out_handle, in_descriptor, in_buffers)
.reg offset
    alu_shf[out_handle, --, B, in_descriptor, <<(32 - OFFSET_SHIFT)]
    alu_shf[out_handle, --, B, out_handle, >>(32 - OFFSET_SHIFT)]
    alu_shf[offset, --, B, in_descriptor, >>OFFSET_SHIFT]
    alu[offset, 0x7F, AND, offset]
    alu_shf[offset, --, B, offset, <<6]
    buffer_offset(out_place, out_handle)
    alu[out_place, out_place, +, offset]
    alu[out_place, out_place, +, in_buffers]
#endm

// Drop a packet: its buffer back, then the reason counted.
//   in_handle    register
//   reason       register or constant, DROP_*
//   cycles       a put and an add
#macro packet_drop(in_handle, reason)
    buffer_free(in_handle)
    state_add[oboe_counters, reason, 0, 1]
#endm

#endif
