#ifndef BOARD_H
#define BOARD_H
#define NUM_PORTS	3		/* SPI-3 channels in use */
#define RX_RING		1
#define TX_RING		3
#endif
