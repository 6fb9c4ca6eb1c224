#include "textflag.h"

// func dotsVNNI(out *int32, rows *byte, list *uint16, n int, query *int8, half int)
//
// DI out, SI rows, R8 the next row's number, CX rows left, R9 and R10 the two
// halves of the query, DX bytes of a row, AX this row, BX the place in it.
// R11 the last row's number, R12 the row 16 further on, which is fetched: rows
// that a filter left over lie too far apart for the machine to guess.
// VPDPBUSD takes signed bytes from its first operand and unsigned ones from its
// second (in Go's order), and adds their products to the third.
TEXT ·dotsVNNI(SB), NOSPLIT, $0-48
	MOVQ out+0(FP), DI
	MOVQ rows+8(FP), SI
	MOVQ list+16(FP), R8
	MOVQ n+24(FP), CX
	MOVQ query+32(FP), R9
	MOVQ half+40(FP), DX
	LEAQ (R9)(DX*1), R10

	MOVQ         $0x0F0F0F0F0F0F0F0F, AX
	VPBROADCASTQ AX, Z4
	LEAQ         -2(R8)(CX*2), R11

vnniRow:
	LEAQ    32(R8), R12
	CMPQ    R12, R11
	CMOVQHI R11, R12
	MOVWLZX (R12), R12
	IMULQ   DX, R12
	ADDQ    SI, R12
	MOVWLZX (R8), AX
	IMULQ   DX, AX
	ADDQ    SI, AX
	VPXORQ  Z0, Z0, Z0
	VPXORQ  Z1, Z1, Z1
	XORQ    BX, BX

vnniStep:
	PREFETCHT0 (R12)(BX*1)
	VMOVDQU64  (AX)(BX*1), Z2
	VPSRLW     $4, Z2, Z3
	VPANDQ     Z4, Z2, Z2
	VPANDQ     Z4, Z3, Z3
	VPDPBUSD   (R9)(BX*1), Z2, Z0
	VPDPBUSD   (R10)(BX*1), Z3, Z1
	ADDQ       $64, BX
	CMPQ       BX, DX
	JLT        vnniStep

	VPADDD        Z1, Z0, Z0
	VEXTRACTI64X4 $1, Z0, Y1
	VPADDD        Y1, Y0, Y0
	VEXTRACTI128  $1, Y0, X1
	VPADDD        X1, X0, X0
	VPSHUFD       $0x4E, X0, X1
	VPADDD        X1, X0, X0
	VPSHUFD       $0xB1, X0, X1
	VPADDD        X1, X0, X0
	VMOVD         X0, (DI)

	ADDQ $2, R8
	ADDQ $4, DI
	DECQ CX
	JNZ  vnniRow

	VZEROUPPER
	RET

// func dotsAVX2(out *int32, rows *byte, list *uint16, n int, query *int8, half int)
//
// Registers as above, Y5 sixteen times the number 1. VPMADDUBSW has its operands
// as VPDPBUSD and adds pairs of products to 16 bits, VPMADDWD pairs of these.
TEXT ·dotsAVX2(SB), NOSPLIT, $0-48
	MOVQ out+0(FP), DI
	MOVQ rows+8(FP), SI
	MOVQ list+16(FP), R8
	MOVQ n+24(FP), CX
	MOVQ query+32(FP), R9
	MOVQ half+40(FP), DX
	LEAQ (R9)(DX*1), R10

	MOVQ         $0x0F0F0F0F0F0F0F0F, AX
	VMOVQ        AX, X4
	VPBROADCASTQ X4, Y4
	VPCMPEQW     Y5, Y5, Y5
	VPSRLW       $15, Y5, Y5
	LEAQ         -2(R8)(CX*2), R11

avx2Row:
	LEAQ    32(R8), R12
	CMPQ    R12, R11
	CMOVQHI R11, R12
	MOVWLZX (R12), R12
	IMULQ   DX, R12
	ADDQ    SI, R12
	MOVWLZX (R8), AX
	IMULQ   DX, AX
	ADDQ    SI, AX
	VPXOR   Y0, Y0, Y0
	XORQ    BX, BX

avx2Step:
	PREFETCHT0 (R12)(BX*1)
	VMOVDQU    (AX)(BX*1), Y2
	VPSRLW     $4, Y2, Y3
	VPAND      Y4, Y2, Y2
	VPAND      Y4, Y3, Y3
	VPMADDUBSW (R9)(BX*1), Y2, Y2
	VPMADDUBSW (R10)(BX*1), Y3, Y3
	VPADDW     Y3, Y2, Y2
	VPMADDWD   Y5, Y2, Y2
	VPADDD     Y2, Y0, Y0
	ADDQ       $32, BX
	CMPQ       BX, DX
	JLT        avx2Step

	VEXTRACTI128 $1, Y0, X1
	VPADDD       X1, X0, X0
	VPSHUFD      $0x4E, X0, X1
	VPADDD       X1, X0, X0
	VPSHUFD      $0xB1, X0, X1
	VPADDD       X1, X0, X0
	VMOVD        X0, (DI)

	ADDQ $2, R8
	ADDQ $4, DI
	DECQ CX
	JNZ  avx2Row

	VZEROUPPER
	RET
