package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image/png"
)

func pngSize(data []byte) (width, height int, err error) {
	const header, end = 16, 33
	if len(data) < end {
		return 0, 0, fmt.Errorf("%w: the header is cut short", ErrBroken)
	}
	return int(binary.BigEndian.Uint32(data[header:])), int(binary.BigEndian.Uint32(data[header+4:])), nil
}

func decodePNG(data []byte) (*Picture, error) {
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	// The header's colour type tells grey from the rest, which Go's types don't where
	// a grey level is transparent.
	const colourType = 8 + 8 + 9
	if data[colourType] == 0 {
		return fromGrey(m)
	}
	return fromImage(m)
}

// pngEXIF gives the eXIf chunk.
func pngEXIF(data []byte) []byte {
	const signature, frame = 8, 12
	for at := signature; at+frame <= len(data); {
		size := int(binary.BigEndian.Uint32(data[at:]))
		if size > len(data)-at-frame {
			return nil
		}
		if string(data[at+4:at+8]) == "eXIf" {
			return data[at+8:][:size]
		}
		at += frame + size
	}
	return nil
}
