; The style of older test programs: registers by number, nothing declared, opcodes in capitals.
.areg COUNT 3
.breg LIMIT 5
.areg link 4
.sig done
.addr done 2

	IMMED[COUNT, 0]
	IMMED[LIMIT, 16]
	BR[LOOP#]
SKIP#:
	NOP
LOOP#: ALU[COUNT, COUNT, +, 1]
	ALU[$XFER0, --, B, COUNT]
	ALU_SHF[$$xfer1, --, ~B, LIMIT, >>ROT8]
	SCRATCH[WRITE, $xfer0, COUNT, 4, 1], CTX_SWAP[DONE]
	LD_FIELD[COUNT, 0011, LIMIT, <<4], LOAD_CC
	ALU[--, COUNT, -, LIMIT]
	BNE[LOOP#], DEFER[1], guess_branch
	NOP
	LOAD_ADDR[link, SKIP#]
	BEQ[SKIP#], GUESS_BRANCH
	RTN[link]
	CTX_ARB[BPT]
