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

func pngMetadata(data []byte) (exif, xmp []byte) {
	return pngChunk(data, "eXIf"), pngChunk(data, "iTXtXML:com.adobe.xmp\x00")
}

// pngChunk gives the first chunk whose name and content begin so, without its name.
func pngChunk(data []byte, start string) []byte {
	const signature, frame, name = 8, 12, 4
	for at := signature; at+frame <= len(data); {
		size := int(binary.BigEndian.Uint32(data[at:]))
		if size > len(data)-at-frame {
			return nil
		}
		if chunk := data[at+4:][:name+size]; bytes.HasPrefix(chunk, []byte(start)) {
			return chunk[name:]
		}
		at += frame + size
	}
	return nil
}
