package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"parley/internal/app"
	"parley/internal/config"
	"parley/internal/store"
)

// command builds the tree of commands. Every one of them takes every setting.
func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "parley",
		Short: "A GraphQL API for AI work that outlives a request",
		Long: `parley is a GraphQL API for AI work that outlives a request: mutations queue jobs,
a worker runs real models, subscriptions push results the moment they are committed.`,
		SilenceUsage: true, SilenceErrors: true, Version: version,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetVersionTemplate("parley {{.Version}}\n")
	flags := root.PersistentFlags()
	flags.String("config", "", "file with settings, YAML with the flags' names as keys (PARLEY_CONFIG)")
	for _, s := range config.Settings() {
		flags.String(s.Name, s.Default, s.Help+" ("+s.Env+")")
	}
	root.AddCommand(serveCommand(), apiCommand(), workerCommand(), migrateCommand(), userCommand(), seedCommand(), exportCommand(), modelsCommand(), configCommand(), versionCommand())
	return root
}

// settings reads the configuration and points the log where it says.
func settings(cmd *cobra.Command) (*config.Config, error) {
	given := map[string]string{}
	file := os.Getenv("PARLEY_CONFIG")
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name == "config" {
			file = f.Value.String()
			return
		}
		given[f.Name] = f.Value.String()
	})
	known := map[string]string{}
	for _, s := range config.Settings() {
		if v, ok := given[s.Name]; ok {
			known[s.Name] = v
		}
	}
	cfg, err := config.Load(known, os.Getenv, file)
	if err != nil {
		return nil, fmt.Errorf("the settings are not right: %w", err)
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		return nil, err
	}
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler = slog.NewTextHandler(os.Stderr, options)
	if cfg.LogFormat == "json" {
		handler = slog.NewJSONHandler(os.Stderr, options)
	}
	slog.SetDefault(slog.New(handler))
	return cfg, nil
}

func serveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Run everything in one process; needs nothing else", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			return app.RunAPI(cmd.Context(), cfg, app.Serve, app.Options{Version: version})
		},
	}
}

func apiCommand() *cobra.Command {
	return &cobra.Command{
		Use: "api", Short: "Run an API process on DATABASE_URL and NATS_URL", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			return app.RunAPI(cmd.Context(), cfg, app.API, app.Options{Version: version})
		},
	}
}

func workerCommand() *cobra.Command {
	return &cobra.Command{
		Use: "worker", Short: "Run a worker on NATS_URL", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			return app.RunWorker(cmd.Context(), cfg)
		},
	}
}

func migrateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "Bring the database up to date", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			s, err := store.Open(cmd.Context(), store.Config{URL: cfg.Database()})
			if err != nil {
				return err
			}
			defer func() { _ = s.Close() }()
			applied, err := s.Migrate(cmd.Context())
			if err != nil {
				return err
			}
			for _, v := range applied {
				fmt.Fprintln(cmd.OutOrStdout(), "applied", v)
			}
			if len(applied) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing to do: the database is up to date")
			}
			return nil
		},
	}
}

func configCommand() *cobra.Command {
	return &cobra.Command{
		Use: "config", Short: "Print every setting as it is now, secrets masked", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := settings(cmd)
			if err != nil {
				return err
			}
			return cfg.Print(cmd.OutOrStdout())
		},
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), "parley", version) },
	}
}
