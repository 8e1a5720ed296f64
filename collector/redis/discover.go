package redis

import (
	"context"
	"fmt"
	"net"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

// ask connects to one server, asks it and closes the connection. It returns the server's name and the address behind it, too.
func (g *Group) ask(ctx context.Context, cfg access) (nodes []node, hosts []string, err error) {
	o, err := cfg.options()
	if err != nil {
		return nil, nil, err
	}
	dial := o.Dialer
	reached := make(chan string, 1)
	o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err == nil {
			at, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
			select {
			case reached <- at:
			default:
			}
		}
		return conn, err
	}
	client := goredis.NewClient(o)
	defer client.Close()
	asker := asker{ctx, client}
	var text string
	if cfg.Cluster {
		text, err = asker.text("CLUSTER", "NODES")
	} else {
		nodes, err = asker.sentinel(cfg.Sentinel.Master)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("ask redis target %q for its servers (%s): %s", cfg.Name, reason(err), describe(err))
	}
	if name, _, err := net.SplitHostPort(o.Addr); err == nil {
		hosts = append(hosts, name)
	}
	select {
	case at := <-reached:
		hosts = append(hosts, at)
	default:
	}
	if cfg.Cluster && len(hosts) > 0 {
		nodes = clusterNodes(text, hosts[len(hosts)-1], g.cfg.Nodes.Hostnames)
	}
	if len(nodes) == 0 {
		return nil, nil, fmt.Errorf("redis target %q names no servers", cfg.Name)
	}
	return nodes, hosts, nil
}

// asker sends single commands.
type asker struct {
	ctx    context.Context
	client *goredis.Client
}

func (a asker) raw(words ...any) (cursor, error) {
	cmd := goredis.NewRawCmd(a.ctx, words...)
	if err := a.client.Process(a.ctx, cmd); err != nil {
		return cursor{}, err
	}
	raw := string(cmd.Val())
	return cursor{raw}, failure(raw)
}

func (a asker) text(words ...any) (string, error) {
	reply, err := a.raw(words...)
	return reply.text(), err
}

// sentinel asks about one primary.
func (a asker) sentinel(master string) ([]node, error) {
	primary, err := a.raw("SENTINEL", "MASTER", master)
	if err != nil {
		return nil, err
	}
	replicas, err := a.raw("SENTINEL", "SLAVES", master)
	if err != nil {
		return nil, err
	}
	sentinels, err := a.raw("SENTINEL", "SENTINELS", master)
	if err != nil {
		return nil, err
	}
	return sentinelNodes(dictionary(primary), dictionaries(replicas), dictionaries(sentinels)), nil
}

func dictionary(c cursor) map[string]string {
	fields := make(map[string]string)
	c.pairs(func(name string, value cursor) { fields[name] = strings.Clone(value.text()) })
	return fields
}

func dictionaries(c cursor) (list []map[string]string) {
	c.elements(func(one cursor) { list = append(list, dictionary(one)) })
	return list
}
