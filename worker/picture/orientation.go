package picture

import (
	"bytes"
	"encoding/binary"
	"regexp"
)

// xmpOrientation finds the property by Pillow's pattern, without parsing XML.
var xmpOrientation = regexp.MustCompile(`tiff:Orientation(?:="|>)([0-9])`)

// orientation gives the number from 1 to 8 that EXIF has, or else XMP, and 1 where
// neither can be read: a picture is not refused for its metadata.
func orientation(exif, xmp []byte) int {
	if number, found := exifOrientation(exif); found {
		return number
	}
	if match := xmpOrientation.FindSubmatch(xmp); match != nil {
		return int(match[1][0] - '0')
	}
	return 1
}

// exifOrientation reads the tag 0x0112 of a TIFF block.
func exifOrientation(tiff []byte) (number int, found bool) {
	const header, entry, tag, short, long = 8, 12, 0x0112, 3, 4
	tiff = bytes.TrimPrefix(tiff, []byte("Exif\x00\x00"))
	if len(tiff) < header {
		return 0, false
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch string(tiff[:4]) {
	case "II*\x00":
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0, false
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 0, false
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < entry {
			return 0, false
		}
		switch kind := order.Uint16(entries[2:]); {
		case order.Uint16(entries) != tag:
		case kind == short:
			return int(order.Uint16(entries[8:])), true
		case kind == long:
			return int(order.Uint32(entries[8:])), true
		}
		entries = entries[entry:]
	}
	return 0, false
}

// moves says how the pixel at (x, y) of the upright picture is found: swap takes
// (y, x), then right and bottom count from those edges.
var moves = map[int]struct{ swap, right, bottom bool }{
	2: {right: true},
	3: {right: true, bottom: true},
	4: {bottom: true},
	5: {swap: true},
	6: {swap: true, bottom: true},
	7: {swap: true, right: true, bottom: true},
	8: {swap: true, right: true},
}

// oriented gives the picture upright. A value that the standard doesn't have
// changes nothing.
func (p *Picture) oriented(orientation int) *Picture {
	move, found := moves[orientation]
	if !found {
		return p
	}
	width, height := p.Width, p.Height
	if move.swap {
		width, height = height, width
	}
	result := newPicture(width, height, p.Alpha != nil)
	for y := range height {
		for x := range width {
			fromX, fromY := x, y
			if move.swap {
				fromX, fromY = y, x
			}
			if move.right {
				fromX = p.Width - 1 - fromX
			}
			if move.bottom {
				fromY = p.Height - 1 - fromY
			}
			to, from := width*y+x, p.Width*fromY+fromX
			copy(result.RGB[3*to:3*to+3], p.RGB[3*from:])
			if p.Alpha != nil {
				result.Alpha[to] = p.Alpha[from]
			}
		}
	}
	return result
}
