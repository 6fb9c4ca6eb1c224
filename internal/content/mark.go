package content

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"image/png"
	"strings"

	"parley/internal/media"
)

// sourceType is IPTC's word for what a model made:
// https://cv.iptc.org/newscodes/digitalsourcetype/.
const sourceType = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

// xmp says so in the form that readers of metadata know: XMP, ISO 16684-1, with the property
// DigitalSourceType of IPTC's extension schema.
const xmp = `<?xpacket begin="` + "\ufeff" + `" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">` +
	`<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""` +
	` xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" Iptc4xmpExt:DigitalSourceType="` + sourceType + `"/></rdf:RDF></x:xmpmeta><?xpacket end="r"?>`

// Keywords of the texts in a picture: XMP's own, and that of the recipe as JSON.
const (
	xmpKeyword    = "XML:com.adobe.xmp"
	recipeKeyword = "parley"
)

// pngHead is how long signature and first chunk of a PNG file are, with a header of 13
// bytes: https://www.w3.org/TR/png-3/#11IHDR.
const (
	pngSignature = "\x89PNG\r\n\x1a\n"
	pngHead      = len(pngSignature) + 4 + 4 + 13 + 4
)

var errNoPNG = errors.New("a worker's picture is no PNG file")

// pictureOf gives a picture of a worker as it is kept. A marked one says that a model made
// it, and how, in metadata that depends on nothing but the recipe.
func pictureOf(file []byte, r Recipe, marked bool) (*media.Picture, error) {
	config, err := png.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoPNG, err)
	}
	if len(file) < pngHead || len(file) > media.MaxBytes || config.Width > media.MaxStoredSide || config.Height > media.MaxStoredSide {
		return nil, fmt.Errorf("%w of a size that is kept: %d bytes, %d by %d pixels", errNoPNG, len(file), config.Width, config.Height)
	}
	p := &media.Picture{Data: file, ContentType: media.PNG, Width: config.Width, Height: config.Height}
	if !marked {
		return p, nil
	}
	recipe, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode a recipe: %w", err)
	}
	p.Data = append([]byte{}, file[:pngHead]...)
	p.Data = appendText(p.Data, xmpKeyword, xmp)
	p.Data = appendText(p.Data, recipeKeyword, string(recipe))
	p.Data = append(p.Data, file[pngHead:]...)
	return p, nil
}

// appendText appends an iTXt chunk with a text that is not compressed:
// https://www.w3.org/TR/png-3/#11iTXt.
func appendText(file []byte, keyword, text string) []byte {
	const none = "\x00" // ends the keyword, the language and the translated keyword
	body := "iTXt" + keyword + none + "\x00\x00" + none + none + strings.ReplaceAll(text, "\x00", "")
	file = binary.BigEndian.AppendUint32(file, uint32(len(body)-4)) //nolint:gosec // a few thousand bytes
	file = append(file, body...)
	return binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE([]byte(body)))
}
