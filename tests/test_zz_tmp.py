def test_x(drawn,trained,lively,told):
    import shutil
    from pathlib import Path
    C=Path('/tmp/w/page-fixtures'); C.mkdir(exist_ok=True)
    for n,p in dict(drawn=drawn,trained=trained,lively=lively,told=told).items():
        if not (C/n).exists(): shutil.copytree(p,C/n)
