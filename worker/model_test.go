package worker_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/jobspec"
	"parley/internal/testkit"
	"parley/worker"
	"parley/worker/model"
	"parley/worker/pipeline"
)

func TestWorker_RunsARealModelBehindTheQueue(t *testing.T) {
	t.Parallel()
	models, err := model.Open(t.Context(), testkit.Shared(t, "models", "translate-mini"), pipeline.Options{Library: testkit.ONNX(t)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = models.Close() })
	bundle := models.Handlers()[0].Bundle()
	require.NotEmpty(t, bundle.Directions, "the model has no directions")
	b := setup(t)
	w, stop := b.start(worker.Config{Handlers: models.Handlers()})
	defer stop()
	request := func(run, text string, d jobspec.Direction) jobspec.Job {
		payload, err := json.Marshal(jobspec.Translate{Text: text, Source: d.Source, Target: d.Target})
		require.NoError(t, err)
		j := job(run)
		j.Pool, j.Payload = bundle.Pool, payload
		return j
	}
	b.publish(request("good", "The house is small.", bundle.Directions[0]))
	var out jobspec.Translated
	if err := json.Unmarshal(b.expect("good", jobspec.ResultStarted, jobspec.ResultDone).Payload, &out); err != nil ||
		out.Text == "" || out.Model != bundle.Name {
		t.Errorf("translated to %+v, %v", out, err)
	}
	b.publish(request("strange", "The house is small.", jobspec.Direction{Source: "en", Target: "tlh"}))
	f := b.expect("strange", jobspec.ResultStarted, jobspec.ResultFailed).Failure
	assert.Equal(t, jobspec.CodeUnsupportedLanguage, f.Code, "a language that the model does not have: %+v", f)
	assert.NotEmpty(t, f.Message, "a language that the model does not have: %+v", f)
	b.drained()
	s := w.Stats()
	assert.Equal(t, int64(1), s.Done, "counted %+v", s)
	assert.Equal(t, int64(1), s.Failed, "counted %+v", s)
}
