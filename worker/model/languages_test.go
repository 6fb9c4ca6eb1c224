package model_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/internal/testkit"
	"parley/worker/model"
	"parley/worker/pipeline"
)

func TestEmbedder_AnnouncesTheLanguagesOfItsReadme(t *testing.T) {
	t.Parallel()
	set, err := model.Open(t.Context(), testkit.Shared(t, "models", "sticker-mini"), pipeline.Options{Library: testkit.ONNX(t)})
	require.NoError(t, err)
	defer func() { assert.NoError(t, set.Close()) }()
	assert.Equal(t, []string{"en"}, set.Handlers()[0].Bundle().Languages)
}
