package media

import (
	"bytes"
	"encoding/binary"
	"image"
)

// orientation gives the number from 1 to 8 that EXIF has, 1 where it can't be read: a
// picture is not refused for its metadata.
func (f format) orientation(data []byte) int {
	const header, entry, tag, short = 8, 12, 0x0112, 3
	tiff := bytes.TrimPrefix(f.exif(data), []byte("Exif\x00\x00"))
	if len(tiff) < header {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch string(tiff[:4]) {
	case "II*\x00":
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 1
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < entry {
			return 1
		}
		if order.Uint16(entries) == tag && order.Uint16(entries[2:]) == short {
			return int(order.Uint16(entries[8:]))
		}
		entries = entries[entry:]
	}
	return 1
}

func noEXIF([]byte) []byte { return nil }

func pngEXIF(data []byte) []byte {
	const signature, frame = 8, 12
	for at := signature; at+frame <= len(data); {
		size := int64(binary.BigEndian.Uint32(data[at:]))
		if size > int64(len(data)-at-frame) {
			return nil
		}
		if string(data[at+4:at+8]) == "eXIf" {
			return data[at+8:][:size:size]
		}
		at += frame + int(size)
	}
	return nil
}

func jpegEXIF(data []byte) []byte {
	const soi, app1, sos = 2, 0xe1, 0xda
	for at := soi; at+4 <= len(data) && data[at] == 0xff && data[at+1] != sos; {
		if data[at+1] == 0xff { // filling
			at++
			continue
		}
		size := int(binary.BigEndian.Uint16(data[at+2:]))
		if size < 2 || size > len(data)-at-2 {
			return nil
		}
		segment := data[at+4:][: size-2 : size-2]
		if data[at+1] == app1 && bytes.HasPrefix(segment, []byte("Exif\x00\x00")) {
			return segment
		}
		at += 2 + size
	}
	return nil
}

// turns says how the pixel at (x, y) of the upright picture is found: swap takes
// (y, x), then right and bottom count from those edges.
var turns = map[int]struct{ swap, right, bottom bool }{
	2: {right: true},
	3: {right: true, bottom: true},
	4: {bottom: true},
	5: {swap: true},
	6: {swap: true, bottom: true},
	7: {swap: true, right: true, bottom: true},
	8: {swap: true, right: true},
}

// turned gives the picture upright. A value that the standard doesn't have changes
// nothing.
func turned(m image.Image, orientation int) image.Image {
	turn, found := turns[orientation]
	if !found {
		return m
	}
	b := m.Bounds()
	width, height := b.Dx(), b.Dy()
	if turn.swap {
		width, height = height, width
	}
	result := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			fromX, fromY := x, y
			if turn.swap {
				fromX, fromY = y, x
			}
			if turn.right {
				fromX = b.Dx() - 1 - fromX
			}
			if turn.bottom {
				fromY = b.Dy() - 1 - fromY
			}
			result.Set(x, y, m.At(b.Min.X+fromX, b.Min.Y+fromY))
		}
	}
	return result
}
