package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"parley/worker/bundle"
)

// Reference is reference.json: what the reference library gives for a bundle that
// writes.
type Reference struct {
	Cases  []ReferenceCase  `json:"cases"`
	Batch  ReferenceBatch   `json:"batch"`
	Tokens []ReferenceToken `json:"tokens"`
	Chats  []ReferenceChat  `json:"chats"`
	// Languages are the ids of language tokens, for models that are asked by them.
	Languages map[string]int64 `json:"language_codes"`
}

// ReferenceCase is one input alone: the token ids, and the settings that override the
// bundle's, in its own words.
type ReferenceCase struct {
	Input    string          `json:"input"`
	InputIDs []int64         `json:"input_ids"`
	Settings json.RawMessage `json:"settings"`
	Output   []int64         `json:"output_ids"`
	Text     string          `json:"output_text"`
}

// ReferenceChat is messages, the prompt that the chat template makes of them, and how
// the model goes on.
type ReferenceChat struct {
	Messages json.RawMessage `json:"messages"`
	Prompt   string          `json:"prompt"`
	InputIDs []int64         `json:"input_ids"`
	Settings json.RawMessage `json:"settings"`
	Output   []int64         `json:"output_ids"`
}

// ReferenceBatch is inputs that ran together.
type ReferenceBatch struct {
	Inputs   []string        `json:"inputs"`
	Settings json.RawMessage `json:"settings"`
	Output   []string        `json:"output_text"`
}

// ReferenceToken is a text as the tokenizer reads and writes it.
type ReferenceToken struct {
	Input   string  `json:"input"`
	IDs     []int64 `json:"ids"`
	Decoded string  `json:"decoded"`
}

// ReadReference reads the folder's reference.json. The error wraps fs.ErrNotExist
// where there is none, and bundle.ErrBroken where it can't be understood.
func ReadReference(dir string) (*Reference, error) {
	var ref Reference
	if err := readReference(dir, &ref); err != nil {
		return nil, err
	}
	return &ref, nil
}

func readReference(dir string, into any) error {
	path := filepath.Join(dir, "reference.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%w: %s: %w", bundle.ErrBroken, path, err)
	}
	return nil
}

// ReadReference reads the folder's reference.json into a family's own form of it, where
// there is one, and takes down whether there is.
func (f *Findings) ReadReference(dir string, into any) error {
	err := readReference(dir, into)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	f.Reference = err == nil
	return err
}
