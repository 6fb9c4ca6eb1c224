package model_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/worker"
	"parley/worker/model"
	"parley/worker/pipeline"
)

func TestTranslator_AnswersAQueryAsItDoesAJob(t *testing.T) {
	t.Parallel()
	set, err := model.Open(t.Context(), testkit.Shared(t, "models", "translate-mini"), pipeline.Options{Library: testkit.ONNX(t)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, set.Close()) })
	a, ok := set.Handlers()[0].(interface {
		worker.Answerer
		Run(ctx context.Context) error
	})
	require.True(t, ok)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	defer func() {
		cancel()
		assert.NoError(t, <-ended)
	}()
	assert.Len(t, a.Bundle().Digest, 64)
	assert.Equal(t, jobspec.QuerySubject(jobspec.KindTranslate, a.Bundle().Digest), a.QuerySubject())

	for _, in := range []jobspec.TranslateQuery{{Text: "gato feliz", Source: "es", Target: "en"}, {Text: "La casa es roja.", Source: "es", Target: "en"}, {Text: "", Source: "de", Target: "en"}, {Text: "😀 42", Source: "fr", Target: "en"}} {
		payload, err := json.Marshal(in)
		require.NoError(t, err)
		job, err := a.Handle(t.Context(), worker.Task{Payload: payload, Keep: func(any) {}}, func(float64, string) {})
		require.NoError(t, err)
		answer, err := a.Answer(t.Context(), payload)
		require.NoError(t, err, in.Text)
		var want jobspec.Translated
		var got jobspec.TranslateAnswer
		require.NoError(t, json.Unmarshal(job, &want))
		require.NoError(t, json.Unmarshal(answer, &got))
		assert.Equal(t, want.Text, got.Text)
		assert.Equal(t, a.Bundle().Digest, got.Digest)
	}
	for says, payload := range map[string]string{
		"at most 255":    `{"text":"` + strings.Repeat("ä", 256) + `","source":"de","target":"en"}`,
		"directly":       `{"text":"gato","source":"es","target":"de"}`,
		"translate from": `{"text":"x","source":"ja","target":"en"}`,
		"UTF-8":          "{\"text\":\"\xff\",\"source\":\"de\",\"target\":\"en\"}",
	} {
		_, err := a.Answer(t.Context(), json.RawMessage(payload))
		assert.ErrorContains(t, err, says)
	}
}
