package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"parley/e2e/process"
	"parley/internal/testkit"
)

// The picker knows nothing of parley: it was written for Tenor's API.
func TestAPickerForTenorFindsStickersInChromium(t *testing.T) {
	t.Parallel()
	chromium := testkit.Chromium(t)
	p := process.Serve(t, "--demo", "on")
	m, analyst := newMachine(t, p, "STICKERS_SEARCH"), account(t, p, "ANALYST")
	// The rest of the set goes on being added meanwhile.
	require.Eventually(t, func() bool {
		var got struct {
			Stickers struct{ TotalCount int }
		}
		analyst.Must(t, `{ stickers(first: 1, filter: { name: "pizza" }) { totalCount } }`, nil, &got)
		return got.Stickers.TotalCount > 0
	}, 10*time.Minute, 100*time.Millisecond, "the demo sticker of a pizza")

	out := node(t, "browser", []string{"CHROMIUM=" + chromium, "KEY=" + m.Token}, "tenor.mjs", p.URL, "pizza")
	var saw struct {
		Categories []string
		Picture    string
		Found      int
		Chosen     struct {
			ID, URL, TenorURL, Description string
			Tags                           []string
			Width, Height                  int
			Preview                        struct{ URL string }
		}
		Asked []string
	}
	require.NoError(t, json.Unmarshal([]byte(out), &saw), "the browser printed %q", out)
	assert.Greater(t, len(saw.Categories), 10)
	assert.Positive(t, saw.Found)
	assert.Equal(t, "pizza", saw.Chosen.Description)
	assert.Contains(t, saw.Chosen.Tags, "cheese")
	assert.Equal(t, 72, saw.Chosen.Width)
	assert.Equal(t, saw.Picture, saw.Chosen.Preview.URL)
	assert.True(t, strings.HasPrefix(saw.Picture, p.URL+"/media/"), saw.Picture)
	for _, path := range []string{"categories", "featured", "search", "registershare"} {
		assert.Contains(t, saw.Asked, "/v2/"+path+" 200")
	}

	require.Eventually(t, func() bool {
		var got struct {
			SearchQueries struct {
				Nodes []struct {
					Text          string
					Usage, Chosen int
				}
			}
		}
		analyst.Must(t, `{ searchQueries(first: 10) { nodes { text usage chosen } } }`, nil, &got)
		for _, q := range got.SearchQueries.Nodes {
			if q.Text == "pizza" {
				return q.Usage == 1 && q.Chosen == 1
			}
		}
		return false
	}, time.Minute, 100*time.Millisecond, "the choice is counted")
}
