package tokenizer

import (
	"errors"
	"fmt"
	"os"
)

// pieceType is SentencePiece's ModelProto.SentencePiece.Type.
type pieceType uint8

const (
	pieceNormal      pieceType = 1
	pieceUnknown     pieceType = 2
	pieceControl     pieceType = 3
	pieceUserDefined pieceType = 4
	pieceUnused      pieceType = 5
	pieceByte        pieceType = 6
)

type piece struct {
	text  string
	score float64
	kind  pieceType
}

// spmFile is what a .spm file says: the messages ModelProto, TrainerSpec and
// NormalizerSpec of sentencepiece_model.proto
// (https://github.com/google/sentencepiece), as far as they matter here.
type spmFile struct {
	pieces       []piece
	modelType    uint64
	byteFallback bool
	spaceSuffix  bool
	unkSurface   string
	normalizer   normalizerSpec
}

const (
	modelUnigram = 1
	modelBPE     = 2
)

func parseSPM(data []byte) (*spmFile, error) {
	f := &spmFile{modelType: modelUnigram, unkSurface: " \u2047 ", normalizer: defaultNormalizer()}
	err := eachField(data, func(v field) error {
		switch v.number {
		case 1:
			p, err := parsePiece(v.bytes)
			if err != nil {
				return fmt.Errorf("piece %d: %w", len(f.pieces), err)
			}
			f.pieces = append(f.pieces, p)
		case 2:
			return f.parseTrainer(v.bytes)
		case 3:
			return f.normalizer.parse(v.bytes)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if f.modelType != modelUnigram && f.modelType != modelBPE {
		return nil, fmt.Errorf("SentencePiece model type %d is neither Unigram nor BPE", f.modelType)
	}
	if len(f.pieces) == 0 {
		return nil, errors.New("no pieces in it")
	}
	return f, nil
}

func parsePiece(data []byte) (piece, error) {
	p := piece{kind: pieceNormal}
	err := eachField(data, func(v field) error {
		switch v.number {
		case 1:
			p.text = string(v.bytes)
		case 2:
			p.score = float64(v.float())
		case 3:
			p.kind = pieceType(v.value)
		}
		return nil
	})
	if err == nil && p.text == "" {
		err = errors.New("is empty")
	}
	return p, err
}

func (f *spmFile) parseTrainer(data []byte) error {
	return eachField(data, func(v field) error {
		switch v.number {
		case 3:
			f.modelType = v.value
		case 24:
			f.spaceSuffix = v.bool()
		case 35:
			f.byteFallback = v.bool()
		case 44:
			f.unkSurface = string(v.bytes)
		}
		return nil
	})
}

// segmenter is one of SentencePiece's models. It splits a normal form into
// pieces; unknown neighbours come as one.
type segmenter interface {
	split(text string) []node
}

// sentencePiece splits text into the pieces of one .spm file and joins pieces
// into text again.
type sentencePiece struct {
	model        segmenter
	pieces       []piece
	trie         *trie
	normalizer   normalizer
	reserved     map[string]pieceType
	unkPiece     string
	unkSurface   string
	byteFallback bool
}

func openSentencePiece(path string) (*sentencePiece, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s, err := newSentencePiece(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func newSentencePiece(data []byte) (*sentencePiece, error) {
	f, err := parseSPM(data)
	if err != nil {
		return nil, err
	}
	s := &sentencePiece{
		pieces: f.pieces, reserved: map[string]pieceType{},
		unkSurface: f.unkSurface, byteFallback: f.byteFallback,
	}
	var user []string
	for _, p := range f.pieces {
		switch p.kind {
		case pieceUnknown:
			s.unkPiece = p.text
			s.reserved[p.text] = p.kind
		case pieceControl, pieceByte:
			s.reserved[p.text] = p.kind
		case pieceUserDefined:
			user = append(user, p.text)
		}
	}
	if s.unkPiece == "" {
		return nil, errors.New("no piece for unknown text")
	}
	if err := s.setModel(f.modelType); err != nil {
		return nil, err
	}
	s.normalizer, err = newNormalizer(f.normalizer, user, f.spaceSuffix)
	return s, err
}

func (s *sentencePiece) setModel(kind uint64) error {
	if kind == modelBPE {
		m, err := newMerger(s.pieces)
		if err == nil {
			s.model, s.trie = m, m.trie
		}
		return err
	}
	u, err := newUnigram(s.pieces, false)
	if err == nil {
		s.model, s.trie = u, u.trie
	}
	return err
}

// encode splits text into pieces. Text that no piece covers comes as pieces of
// its own, neighbours joined, or as byte pieces where the model has them.
func (s *sentencePiece) encode(text string) []string {
	normal := s.normalizer.normalize(text)
	nodes := s.model.split(normal)
	pieces := make([]string, 0, len(nodes))
	for _, n := range nodes {
		piece := normal[n.start:n.end]
		if !n.unknown || !s.byteFallback {
			pieces = append(pieces, piece)
			continue
		}
		for i := 0; i < len(piece); i++ {
			pieces = append(pieces, fmt.Sprintf("<0x%02X>", piece[i]))
		}
	}
	return pieces
}
