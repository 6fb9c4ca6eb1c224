package kernel

import "golang.org/x/sys/cpu"

// Forms lists what this machine can do, the fastest first. The last one is
// written in Go.
func Forms() []Form {
	var forms []Form
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VNNI {
		forms = append(forms, Form{Name: "AVX-512 VNNI", dots: vnni})
	}
	if cpu.X86.HasAVX2 {
		forms = append(forms, Form{Name: "AVX2", dots: avx2})
	}
	return append(forms, Form{Name: "portable", dots: portable})
}

func vnni(out []int32, rows []byte, list []uint16, q Query) {
	dotsVNNI(&out[0], &rows[0], &list[0], len(list), &q.codes[0], len(q.codes)/2)
}

func avx2(out []int32, rows []byte, list []uint16, q Query) {
	dotsAVX2(&out[0], &rows[0], &list[0], len(list), &q.codes[0], len(q.codes)/2)
}

// dotsVNNI multiplies by VPDPBUSD, 128 codes at a time. n, which is at least 1,
// is the length of list and out; half is a multiple of 64.
//
//go:noescape
func dotsVNNI(out *int32, rows *byte, list *uint16, n int, query *int8, half int)

// dotsAVX2 is the same by VPMADDUBSW, 64 codes at a time. Its sums of two
// products stay far below the 16 bits at which it would saturate, since a row's
// codes have 4: 2 * 15 * 128 = 3840.
//
//go:noescape
func dotsAVX2(out *int32, rows *byte, list *uint16, n int, query *int8, half int)
