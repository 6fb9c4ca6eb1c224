package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/gqlclient"
	"parley/e2e/process"
	"parley/internal/testkit"
)

// made is a message of contentUpdated.
type made struct {
	ContentUpdated struct {
		Version     int
		PartialText *string
		Progress    float64
		Preview     *struct{ URL string }
		Request     struct {
			State string
			Text  *string
			Image *struct{ URL string }
			Jobs  []struct{ State string }
		}
	}
}

func watchContent(t *testing.T, c *gqlclient.Client, id string) *gqlclient.Stream {
	t.Helper()
	return c.MustDial(t).Subscribe(t, `subscription($id: ID!) { contentUpdated(id: $id) { version partialText progress preview { url }
		request { state text image { url } jobs { state } } } }`, gqlclient.Vars{"id": id})
}

// madeAtLast reads a subscription to its end and gives the last message.
func madeAtLast(t *testing.T, s *gqlclient.Stream) (last made) {
	t.Helper()
	for {
		r, ok := s.Wait()
		if !ok {
			return last
		}
		require.NoError(t, r.Err())
		last = made{}
		require.NoError(t, json.Unmarshal(r.Data, &last))
	}
}

// The worker is killed while it draws. The caption is there, and the picture comes from
// another worker, the same that comes out undisturbed. Who watches does so on another
// process than the one that was asked.
func TestAKilledWorkersPictureIsDrawnToItsEnd(t *testing.T) {
	t.Parallel()
	models := t.TempDir()
	for name, from := range map[string]string{"caption-mini": testkit.Model(t, "caption-mini"), "lcm-random": testkit.Shared(t, "models", "random", "lcm-random")} {
		require.NoError(t, os.Symlink(from, filepath.Join(models, name)))
	}
	// The pictures of all processes lie in one place.
	c := process.NewCluster(t, "PARLEY_MODELS="+models, "MEDIA_URL=file://"+t.TempDir())
	api, other, worker := c.API(), c.API(), c.Worker()
	owner := signUp(t, api)
	var asked struct {
		RequestContent struct{ Request struct{ ID string } }
	}
	owner.Must(t, `mutation($in: RequestContentInput!) { requestContent(input: $in) { request { id } } }`, gqlclient.Vars{"in": gqlclient.Vars{
		"prompt": "a dog on a beach", "kind": "INSTAGRAM", "options": gqlclient.Vars{"image": gqlclient.Vars{"steps": 40, "width": 128, "height": 128}},
	}}, &asked)
	id := asked.RequestContent.Request.ID
	elsewhere := other.Client().As(owner.Token)
	s := watchContent(t, elsewhere, id)
	for {
		var m made
		require.True(t, s.Read(t, &m), "it ended before a preview came")
		if u := m.ContentUpdated; u.Preview != nil && u.Request.Text != nil {
			assert.True(t, strings.HasPrefix(u.Preview.URL, "data:image/png;base64,"))
			break
		}
	}
	worker.Kill()
	c.Worker()
	got := madeAtLast(t, s).ContentUpdated
	require.Equal(t, "READY", got.Request.State)
	require.NotNil(t, got.Request.Image)

	var again struct {
		Reproduce struct{ Request struct{ ID string } }
	}
	owner.Must(t, `mutation($id: ID!) { reproduce(input: { requestId: $id }) { request { id } } }`, gqlclient.Vars{"id": id}, &again)
	undisturbed := madeAtLast(t, watchContent(t, elsewhere, again.Reproduce.Request.ID)).ContentUpdated
	require.Equal(t, "READY", undisturbed.Request.State)
	assert.Equal(t, got.Request.Text, undisturbed.Request.Text)
	status, drawn := download(t, owner.Client, got.Request.Image.URL)
	require.Equal(t, http.StatusOK, status)
	_, same := download(t, elsewhere, undisturbed.Request.Image.URL)
	assert.Equal(t, drawn, same)
}
